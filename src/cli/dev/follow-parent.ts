// The worker of `drover dev` ends when its parent does, however that ended.
import { Worker } from 'node:worker_threads'
import { EXIT_CODES } from '../exit-codes.js'

// A thread of its own: a handler that never gives the event loop back must not keep the process either.
const WATCH = `
  const { workerData: parent } = require('node:worker_threads')
  setInterval(() => {
    if (process.ppid !== parent) process.kill(process.pid, 'SIGKILL')
  }, 500)
`

/** Exits at once when the parent is gone; its jobs are handed out again when their locks have expired. */
export function followParent(): void {
  const end = () => process.exit(EXIT_CODES.failed.code)
  new Worker(WATCH, { eval: true, workerData: process.ppid }).unref()
  process.on('disconnect', end)
  // It was gone before anyone could listen.
  if (!process.connected) end()
}
