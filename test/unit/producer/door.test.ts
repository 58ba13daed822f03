import { expect, it } from 'vitest'
import * as npmDoor from '../../../src/index.js'
import * as job from '../../../src/job/index.js'

it('every error class is exported by the npm door', () => {
  const isErrorClass = (value: unknown) => typeof value === 'function' && value.prototype instanceof Error
  const classes = Object.entries(job).filter(([, value]) => isErrorClass(value))
  expect(classes.length).toBeGreaterThan(40)
  for (const [name, value] of classes) expect(npmDoor, name).toHaveProperty(name, value)
})

it('the npm door exports nothing by accident', () => {
  const others = Object.keys(npmDoor).filter((name) => !/^[A-Z]\w*Error$/.test(name))
  const expected = [
    'createProducer',
    'defineJob',
    'defineSchedule',
    'isDroverError',
    'isJobContract',
    'parseRedisUrl',
    'queueTag',
    'retryIn',
    'snooze',
  ]
  expect(others.sort()).toEqual(expected)
})
