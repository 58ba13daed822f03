// What a Redis server wrote to its append-only file: proof from outside of our code of what was one atomic step.
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { TestRedis } from './redis.js'

/** One command as the file has it, or the commands of one MULTI … EXEC. */
export type AtomicStep = readonly (readonly string[])[]

/** Every step of a server that was started with `appendonly`, in the order they were taken. */
export function readSteps(server: Pick<TestRedis, 'directory'>): AtomicStep[] {
  return [...eachStep(server)]
}

/** The same one by one, for files of which not all words fit into memory. */
export function* eachStep(server: Pick<TestRedis, 'directory'>): Generator<AtomicStep> {
  let open: string[][] | undefined
  for (const command of eachCommand(server.directory)) {
    const name = command[0]?.toUpperCase()
    if (name === 'MULTI') open = []
    else if (name === 'EXEC') {
      if (open) yield open
      open = undefined
    } else if (open) open.push(command)
    else yield [command]
  }
}

/** The steps with a command that touches this key. */
export function stepsOn(server: TestRedis, key: string): AtomicStep[] {
  return readSteps(server).filter((step) => step.some((command) => command[1] === key))
}

// The file is commands as clients send them: `*<words>`, and for each word `$<bytes>` and the word.
function* eachCommand(directory: string): Generator<string[]> {
  const folder = join(directory, 'appendonlydir')
  const files = readdirSync(folder).filter((file) => file.endsWith('.incr.aof'))
  const bytes = Buffer.concat(files.map((file) => readFileSync(join(folder, file))))
  let at = 0
  const readLine = () => {
    const end = bytes.indexOf('\r\n', at)
    const line = bytes.toString('latin1', at, end)
    at = end + 2
    return line
  }
  while (at < bytes.length) {
    const head = readLine()
    // A line that starts with `#` is a note, such as the time.
    if (!head.startsWith('*')) continue
    const words = Array.from({ length: Number(head.slice(1)) }, () => {
      const length = Number(readLine().slice(1))
      const word = bytes.toString('utf8', at, at + length)
      at += length + 2
      return word
    })
    // A kill of the server may leave the last command cut short.
    if (at > bytes.length) return
    yield words
  }
}
