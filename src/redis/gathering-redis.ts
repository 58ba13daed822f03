// A Redis client that writes the commands of one tick to its socket in one go. Each write is a system call, which on
// loopback and in virtual machines costs more than the command itself; order and replies are as without it.
import { Redis } from 'ioredis'

export class GatheringRedis extends Redis {
  #gathering = false

  override sendCommand(...args: Parameters<Redis['sendCommand']>): unknown {
    if (!this.#gathering && this.stream?.writable) this.#gather(this.stream)
    return super.sendCommand(...args)
  }

  // Promise callbacks run to their end before the next tick, so every command that one packet of replies sets off is in.
  #gather(stream: Redis['stream']): void {
    this.#gathering = true
    stream.cork()
    process.nextTick(() => {
      this.#gathering = false
      stream.uncork()
    })
  }
}
