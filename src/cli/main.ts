#!/usr/bin/env node
// The `drover` command. run.ts finds the verb, verbs/ has one file for each.
import { run } from './run.js'

// A reader that has enough, as in `drover counters | head`, is no error.
process.stdout.on('error', (error: NodeJS.ErrnoException) => process.exit(error.code === 'EPIPE' ? 0 : 1))
const code = await run(process.argv.slice(2))
// What job files opened when they were imported must not keep a finished command alive.
process.exit(code)
