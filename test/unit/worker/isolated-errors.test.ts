// Errors that cross the border of an isolated handler's thread or process.
import { describe, expect, it } from 'vitest'
import * as job from '../../../src/job/index.js'
import { packError, unpackError } from '../../../src/worker/isolated/error-data.js'

/** As it goes over the channel of a process. */
const cross = (thrown: unknown) => unpackError(JSON.parse(JSON.stringify(packError(thrown))))

class OwnPermanent extends job.PermanentError {}

describe('an error on the other side', () => {
  it.each<[string, unknown]>([
    ['a permanent one', new job.PermanentError('never', { cause: new Error('inner') })],
    ['one that names the wait', job.retryIn('30s', 'later')],
    ['an input that fails its schema', new job.InvalidInputError('a', [{ path: '$.n', message: 'too small' }])],
    ['a timeout', new job.JobTimeoutError(5_000)],
    ['a lost lock', new job.LockLostError('j1')],
    ['a shutdown', new job.ShutdownError()],
    ['a cancellation', new job.CancelledError('by hand')],
  ])('is of the same class, with the same fields: %s', (_what, error) => {
    const crossed = cross(error)
    expect(crossed).toBeInstanceOf((error as object).constructor)
    expect(job.isDroverError(crossed)).toBe(true)
    expect({ ...(crossed as object) }).toEqual(JSON.parse(JSON.stringify({ ...(error as object), cause: undefined })))
  })

  it.each<[string, unknown]>([
    ['an error of Node', Object.assign(new TypeError('wrong'), { code: 'ERR_X' })],
    ['a user’s own subclass of ours', new OwnPermanent('never')],
    ['a text', 'plain'],
    ['null', null],
    ['an object', { secret: 'token' }],
    ['an error whose field is no JSON', Object.assign(new job.PermanentError('x'), { size: 5n })],
    ['an error without a stack', Object.assign(new Error('bare'), { stack: undefined })],
  ])('leaves the same record: %s', (_what, thrown) => {
    expect(job.serializeError(cross(thrown))).toEqual(job.serializeError(thrown))
  })

  it('decides about the next attempt as what it extends', () => {
    expect(cross(new OwnPermanent('never'))).toBeInstanceOf(job.PermanentError)
    expect(cross(Object.assign(new Error('x'), { name: 'PermanentError' }))).not.toBeInstanceOf(job.PermanentError)
  })
})
