import { describe, expect, it } from 'vitest'
import { suggest } from '../../../src/job/index.js'

describe('suggest', () => {
  const known = ['delay', 'priority', 'attempts', 'id', 'timeout']

  it.each([
    ['delya', 'delay'],
    ['dealy', 'delay'],
    ['delay', 'delay'],
    ['Delay', 'delay'],
    ['dely', 'delay'],
    ['delayy', 'delay'],
    ['prioity', 'priority'],
    ['atempt', 'attempts'],
    ['di', 'id'],
    ['time_out', 'timeout'],
  ])('finds for %s the name %s', (name, expected) => {
    expect(suggest(name, known)).toBe(expected)
  })

  it('counts two swapped letters as one change', () => {
    expect(suggest('ab', ['ba'])).toBe('ba')
    expect(suggest('ab', ['cd'])).toBeUndefined()
  })

  it.each(['concurrency', 'x', '', 'deadline-of-the-job', 'd'.repeat(1_000_000)])(
    'finds none for a name far from all',
    (name) => {
      expect(suggest(name, known)).toBeUndefined()
    },
  )

  it('compares names of up to 100 letters', () => {
    expect(suggest('x'.repeat(100), ['x'.repeat(99)])).toBe('x'.repeat(99))
    expect(suggest('x'.repeat(101), ['x'.repeat(100)])).toBeUndefined()
    expect(suggest('x'.repeat(100), ['x'.repeat(101)])).toBeUndefined()
  })

  it('picks the nearest of several', () => {
    expect(suggest('image.resiz', ['image.size', 'image.resize', 'image.resized'])).toBe('image.resize')
  })

  it('finds none where nothing is known', () => {
    expect(suggest('delay', [])).toBeUndefined()
  })
})
