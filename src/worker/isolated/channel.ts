// Starts the thread or the process of an isolated handler, and gives both the same four ends: post, kill, what it says,
// and how it ended.
import { fork } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { MessageChannel, receiveMessageOnPort, Worker } from 'node:worker_threads'
import type { Isolation } from '../isolation.js'
import type { ToChild } from './messages.js'

export interface Channel {
  readonly what: 'thread' | 'process'
  post(message: ToChild): void
  /** Ends it whatever it does. */
  kill(): void
}

export interface ChannelEnds {
  readonly onMessage: (message: unknown) => void
  /** It has ended, and nothing comes any more; `how` in words. */
  readonly onEnd: (how: string) => void
}

const MAIN = new URL('./main.js', import.meta.url)
/** How Node ends a thread whose heap is full. */
const OUT_OF_MEMORY = 'ERR_WORKER_OUT_OF_MEMORY'

export function openChannel(isolation: Isolation, ends: ChannelEnds): Channel {
  return isolation.isolate === 'thread' ? openThread(isolation, ends) : openProcess(isolation, ends)
}

function openThread({ memoryMb }: Isolation, { onMessage, onEnd }: ChannelEnds): Channel {
  // A port of its own: what the handler posts to its parent is no message of ours.
  const { port1, port2 } = new MessageChannel()
  const thread = new Worker(MAIN, {
    workerData: { port: port2 },
    transferList: [port2],
    ...(memoryMb !== undefined && { resourceLimits: { maxOldGenerationSizeMb: memoryMb } }),
  })
  let how: string | undefined
  port1.on('message', onMessage)
  thread.on('message', onMessage)
  thread.once('error', (error) => {
    const isFull = (error as { code?: unknown }).code === OUT_OF_MEMORY
    const limit = memoryMb === undefined ? '' : ` (memoryMb ${memoryMb})`
    how = isFull ? `its thread ran out of memory${limit}` : `its thread failed: ${error.message}`
  })
  thread.once('exit', (code) => {
    // Its last words may not be read yet: to an event loop that was busy the end comes before them.
    for (let last = receiveMessageOnPort(port1); last !== undefined; last = receiveMessageOnPort(port1)) {
      onMessage((last as { message: unknown }).message)
    }
    port1.close()
    onEnd(how ?? `its thread ended with exit code ${code}`)
  })
  return { what: 'thread', post: (message) => port1.postMessage(message), kill: () => void thread.terminate() }
}

function openProcess({ memoryMb }: Isolation, { onMessage, onEnd }: ChannelEnds): Channel {
  // In a group of its own: Ctrl-C in the terminal is for the worker, and a kill takes what the handler started too.
  const child = fork(fileURLToPath(MAIN), [], {
    detached: true,
    execArgv: childArguments(memoryMb),
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  })
  let isEnded = false
  const end = (how: string) => {
    if (isEnded) return
    isEnded = true
    onEnd(how)
  }
  child.on('message', onMessage)
  // After its last message, which 'exit' can come before.
  child.once('close', (code, signal) => {
    const hint = signal === 'SIGABRT' ? ', which Node does when its memory is full' : ''
    end(signal === null ? `its process ended with exit code ${code}` : `its process was ended by ${signal}${hint}`)
  })
  child.on('error', (error) => {
    // Also of a message to a process that has just ended: its end follows.
    if (child.pid === undefined) end(`its process did not start: ${error.message}`)
  })
  return {
    what: 'process',
    post: (message) => {
      if (child.connected) child.send(message)
    },
    kill: () => killGroup(child.pid),
  }
}

// As Node hands its arguments down, without those of a debugger, whose port is taken, and of code given in the command.
function childArguments(memoryMb: number | undefined): string[] {
  const kept: string[] = []
  for (let at = 0; at < process.execArgv.length; at++) {
    const word = process.execArgv[at] ?? ''
    if (['-e', '--eval', '-p', '--print', '-pe'].includes(word)) at++
    else if (!/^--(inspect|input-type|eval|print)/.test(word)) kept.push(word)
  }
  return memoryMb === undefined ? kept : [...kept, `--max-old-space-size=${memoryMb}`]
}

function killGroup(pid: number | undefined): void {
  if (pid === undefined) return
  try {
    process.kill(-pid, 'SIGKILL')
  } catch (error) {
    // It has ended already.
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error
  }
}
