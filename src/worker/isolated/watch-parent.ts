// Ends a child process whose worker is gone, also while a handler keeps its event loop busy for ever.
import { Worker } from 'node:worker_threads'

// A thread of its own sees what a busy loop does not: the parent of an orphan is another one. The group is all that the
// handler started.
const WATCH = `
const { workerData } = require('node:worker_threads')
setInterval(() => {
  if (process.ppid === workerData.parent) return
  try { process.kill(-process.pid, 'SIGKILL') } catch { process.kill(process.pid, 'SIGKILL') }
}, 1_000)`

export function watchParent(): void {
  const thread = new Worker(WATCH, { eval: true, workerData: { parent: process.ppid }, execArgv: [], stdin: false })
  thread.unref()
  // Without it the process still ends with its channel, as soon as its loop is free.
  thread.on('error', () => undefined)
}
