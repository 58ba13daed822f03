// What a cancel has to know of jobs that have not ended, out of their hashes.
import type { KeysOfQueue, RedisClient } from '../../redis/index.js'
import type { StoredLife } from '../ending-writes.js'

/** A job as a cancel needs it. */
export interface StoredJob {
  readonly id: string
  readonly name: string
  /** As its hash has it: the cancel is for this number of attempts and no other. */
  readonly attemptsMade: string
  readonly enqueuedAt: number
  readonly startedAt: number | undefined
  readonly options: StoredOptions
}

interface StoredOptions extends StoredLife {
  readonly tags?: readonly string[]
  readonly delay?: number
  readonly attempts?: number
}

/** The jobs of these ids that there are. */
export async function readCancellable(
  { client, keys }: { readonly client: RedisClient; readonly keys: KeysOfQueue },
  ids: readonly string[],
): Promise<StoredJob[]> {
  if (ids.length === 0) return []
  const look = client.pipeline()
  for (const id of ids) look.hmget(keys.bullBase + id, 'name', 'atm', 'timestamp', 'processedOn', 'opts')
  const replies = (await look.exec()) ?? []
  return replies.flatMap(([error, fields], at) => {
    if (error) throw error
    const [name, attemptsMade, enqueuedAt, startedAt, options] = fields as (string | null)[]
    if (typeof name !== 'string') return []
    return {
      id: ids[at] as string,
      name,
      attemptsMade: attemptsMade ?? '0',
      enqueuedAt: Number(enqueuedAt),
      startedAt: startedAt == null ? undefined : Number(startedAt),
      options: parseOptions(options),
    }
  })
}

// Other programs on BullMQ may have written anything.
function parseOptions(text: string | null | undefined): StoredOptions {
  try {
    const parsed: unknown = JSON.parse(text ?? '{}')
    return typeof parsed === 'object' && parsed !== null ? parsed : {}
  } catch {
    return {}
  }
}
