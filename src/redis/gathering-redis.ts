// A Redis client that writes the commands of one tick to its socket in one go, or in a few where they are many; those of
// one turn of the event loop where `gathersTurns` is set. Each write is a system call, which can cost more than the command
// itself; order and replies are as without it. It suits who sends much at once: a producer, and by turns a server, whose
// requests arrive in ticks of their own. A worker's replies set off its next commands, which had better leave one by one.
import { Redis } from 'ioredis'

/** Bytes that are sent before the tick or turn is over, so that Redis begins while more commands are still being made. */
const ENOUGH_BYTES = 8_192

export class GatheringRedis extends Redis {
  gathersTurns = false
  #gathering: Redis['stream'] | undefined

  override sendCommand(...args: Parameters<Redis['sendCommand']>): unknown {
    if (!this.#gathering && this.stream?.writable) this.#gather(this.stream)
    const sent = super.sendCommand(...args)
    if (this.#gathering && this.#gathering.writableLength >= ENOUGH_BYTES) this.#flush()
    return sent
  }

  // Promise callbacks run to their end before the next tick, so every command that one packet of replies sets off is in.
  // An immediate runs when all sockets that were readable have been read: nobody waits for a packet that is yet to come.
  #gather(stream: Redis['stream']): void {
    stream.cork()
    this.#gathering = stream
    if (this.gathersTurns) setImmediate(() => this.#flush())
    else process.nextTick(() => this.#flush())
  }

  #flush(): void {
    this.#gathering?.uncork()
    this.#gathering = undefined
  }
}
