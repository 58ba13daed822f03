// Somebody who was let into the dashboard, however they got in.
import type { Role } from '../../ledger/index.js'

export interface Person {
  /** As the audit list shows it. */
  readonly name: string
  readonly role: Role
  /** What let them in; only a `session` can be signed out of. */
  readonly by: 'machine' | 'session' | 'token' | 'proxy' | 'app'
}
