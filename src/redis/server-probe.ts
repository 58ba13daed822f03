// Asks a Redis server over a bare socket whether it is ready, which version it is and which process it is.

import { connect } from 'node:net'

export interface ServerAddress {
  readonly host: string
  readonly port: number
  readonly password?: string
}

export type ProbeOutcome =
  | { readonly state: 'ready'; readonly version: string; readonly pid: number }
  | { readonly state: 'loading' }
  | { readonly state: 'silent' }

const ANSWER_TIMEOUT_MS = 2_000

/** `loading` while the server reads its data back, `silent` when nothing there speaks as a server that lets us in. */
export async function probeServer(address: ServerAddress): Promise<ProbeOutcome> {
  const signIn = address.password === undefined ? [] : [['AUTH', address.password]]
  // QUIT makes the server close the connection after the last answer, so its end is the end of all answers.
  const answers = await exchange(address, [...signIn, ['PING'], ['INFO', 'server'], ['QUIT']])
  if (answers.includes('-LOADING')) return { state: 'loading' }
  const pid = /^process_id:(\d+)/m.exec(answers)?.[1]
  const version = (/^valkey_version:(\S+)/m.exec(answers) ?? /^redis_version:(\S+)/m.exec(answers))?.[1]
  const isReady = answers.includes('+PONG') && pid !== undefined && version !== undefined
  return isReady ? { state: 'ready', version, pid: Number(pid) } : { state: 'silent' }
}

/** Resolves to all that came before the connection ended, however it ended. */
function exchange({ host, port }: ServerAddress, commands: string[][]): Promise<string> {
  return new Promise((resolve) => {
    let received = ''
    const socket = connect({ host, port })
    socket.setEncoding('utf8')
    socket.setTimeout(ANSWER_TIMEOUT_MS, () => socket.destroy())
    socket.on('data', (text: string) => {
      received += text
    })
    // 'close' follows and resolves: a refused connection is an answer here, not an error.
    socket.on('error', () => undefined)
    socket.on('close', () => resolve(received))
    socket.write(commands.map(encodeCommand).join(''))
  })
}

function encodeCommand(words: readonly string[]): string {
  return `*${words.length}\r\n${words.map((word) => `$${Buffer.byteLength(word)}\r\n${word}\r\n`).join('')}`
}
