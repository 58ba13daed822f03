// A process that owns an embedded server, for embedded-server.test.ts to kill. Argument: the data folder.
// Prints the server as one JSON line. Ctrl-C only makes it print "interrupted", as a process that ends in order would.
import { startEmbeddedRedis } from '../../src/redis/index.js'

const { url, pid, port } = await startEmbeddedRedis({ dir: process.argv[2] ?? '' })
process.on('SIGINT', () => process.stdout.write('interrupted\n'))
process.stdout.write(`${JSON.stringify({ url, pid, port })}\n`)
