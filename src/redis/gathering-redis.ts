// A Redis client that writes the commands of one tick to its socket in one go, or in a few where they are many. Each
// write is a system call, which can cost more than the command itself; order and replies are as without it. It suits
// who sends much at once (a producer); a worker's replies set off its next commands, which had better leave one by one.
import { Redis } from 'ioredis'

/** Bytes that are sent before the tick is over, so that Redis begins while more commands are still being made. */
const ENOUGH_BYTES = 8_192

export class GatheringRedis extends Redis {
  #gathering: Redis['stream'] | undefined

  override sendCommand(...args: Parameters<Redis['sendCommand']>): unknown {
    if (!this.#gathering && this.stream?.writable) this.#gather(this.stream)
    const sent = super.sendCommand(...args)
    if (this.#gathering && this.#gathering.writableLength >= ENOUGH_BYTES) this.#flush()
    return sent
  }

  // Promise callbacks run to their end before the next tick, so every command that one packet of replies sets off is in.
  #gather(stream: Redis['stream']): void {
    stream.cork()
    this.#gathering = stream
    process.nextTick(() => this.#flush())
  }

  #flush(): void {
    this.#gathering?.uncork()
    this.#gathering = undefined
  }
}
