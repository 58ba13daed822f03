import { expect, it } from 'vitest'
import { newJobId } from '../../../src/job/job-id.js'
import { checkJobId } from '../../../src/redis/index.js'

const ids = Array.from({ length: 20_000 }, newJobId)

it('an id is 20 characters, the first a letter, without i, l, o and u', () => {
  for (const id of ids) expect(id).toMatch(/^[a-hjkmnp-t][0-9a-hjkmnp-tv-z]{19}$/)
})

it('every id is one that enqueue itself would take', () => {
  for (const id of ids.slice(0, 500)) expect(checkJobId(id)).toBe(id)
})

it('ids do not repeat, not across refills of the random pool either', () => {
  expect(new Set(ids).size).toBe(ids.length)
})

it('each of the 99 bits is used: every letter comes up at every place', () => {
  for (let place = 0; place < 20; place++) {
    expect(new Set(ids.map((id) => id[place])).size).toBe(place === 0 ? 16 : 32)
  }
})
