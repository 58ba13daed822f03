// Which error group a job that failed belongs to: failures of one job with the same error name, the same masked message and
// the same topmost own frame are of one cause. Stable over releases; computed only when a job fails for good.
import { createHash } from 'node:crypto'
import type { StoredError } from '../../job/index.js'
import { maskMessage, oneLine } from './mask-message.js'
import { ownFrameOf } from './own-frame.js'

export interface Fingerprint {
  /** 16 hexadecimal digits. */
  readonly id: string
  readonly name: string
  /** The message with what differs masked. */
  readonly message: string
  /** Function and file of the topmost own frame; empty where the stack has none. */
  readonly frame: string
}

/** The group of errors beyond the bound of a queue's groups. */
export const OTHER_GROUP = 'other'
const GROUP_ID = /^(?:[0-9a-f]{16}|other)$/

export function isGroupId(text: unknown): text is string {
  return typeof text === 'string' && GROUP_ID.test(text)
}

export function fingerprintOf(job: string, error: StoredError): Fingerprint {
  const message = maskMessage(error.message)
  const frame = ownFrameOf(error) ?? ''
  const name = oneLine(error.name, 128)
  const id = createHash('sha256')
    .update(JSON.stringify([job, name, message, frame]))
    .digest('hex')
    .slice(0, 16)
  return { id, name, message, frame }
}
