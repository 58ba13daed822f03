// `drover top` on a terminal of 80 columns and 24 rows, which Python's pty module makes.
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { stripVTControlCharacters } from 'node:util'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { buildDrover, MAIN, makeProject, startCommand } from '../support/drover-cli.js'
import { startTestRedis, type TestRedis } from '../support/redis.js'

let redis: TestRedis
beforeAll(async () => {
  await buildDrover()
  redis = await startTestRedis()
})
afterAll(() => redis.close())

/**
 * Runs a command on a terminal, presses Ctrl-Z once it drew, writes STOPPED where it has stopped, lets it go on, presses
 * Ctrl-C once it drew twice more, and writes what came out; its exit code is the command's.
 */
const DRIVER = `
import fcntl, os, pty, select, signal, struct, sys, termios
pid, fd = pty.fork()
if pid == 0:
    os.execvp(sys.argv[1], sys.argv[1:])
fcntl.ioctl(fd, termios.TIOCSWINSZ, struct.pack('HHHH', 24, 80, 0, 0))
seen, stopped, pressed = b'', 0, False
while True:
    try:
        piece = os.read(fd, 65536)
    except OSError:
        break
    if not piece:
        break
    seen += piece
    if b'drover top' in seen and not stopped:
        os.write(fd, b'\\x1a')
        os.waitpid(pid, os.WUNTRACED)
        # What it wrote until it stopped may come in pieces.
        while select.select([fd], [], [], 0)[0]:
            seen += os.read(fd, 65536)
        seen += b'STOPPED'
        stopped = seen.count(b'drover top')
        os.kill(pid, signal.SIGCONT)
    if stopped and seen.count(b'drover top') >= stopped + 2 and not pressed:
        pressed = True
        os.write(fd, b'\\x03')
sys.stdout.buffer.write(seen)
sys.stdout.flush()
_, status = os.waitpid(pid, 0)
sys.exit(os.waitstatus_to_exitcode(status))
`

it('draws itself anew each second on a small screen, and gives the terminal back at Ctrl-C, and at Ctrl-Z for a while', async () => {
  const cwd = makeProject()
  const driver = join(cwd, 'terminal.py')
  writeFileSync(driver, DRIVER)
  const words = [driver, process.execPath, MAIN, 'top']
  const env = { REDIS_URL: redis.url, TERM: 'xterm-256color' }
  // A queue that another program wrote a key of hides no other.
  await redis.cli('SADD', 'drover:queues', 'good', 'spoilt')
  await redis.cli('SET', '{drover:spoilt}:spoilt:wait', 'text')
  const { code, stdout } = await startCommand('python3', words, { cwd, env }).finished
  expect(code).toBe(0)
  expect(stdout.startsWith('\x1b[?1049h\x1b[?25l\x1b[?7l')).toBe(true)
  expect(stdout.endsWith('\x1b[?7h\x1b[?25h\x1b[?1049l')).toBe(true)
  const [before = '', after = ''] = stdout.split('STOPPED')
  expect(before.trimEnd().endsWith('\x1b[?7h\x1b[?25h\x1b[?1049l')).toBe(true)
  expect(after.startsWith('\x1b[?1049h\x1b[?25l\x1b[?7l\x1b[Hdrover top')).toBe(true)
  const [screen = ''] = after.split('\x1b[H').slice(2)
  // The terminal puts another carriage return before each line end.
  const lines = screen.split(/\r+\n/)
  expect(lines.length).toBeLessThanOrEqual(24)
  for (const line of lines) expect(stripVTControlCharacters(line).replace('^C', '').length).toBeLessThanOrEqual(80)
  expect(screen).toContain('0 workers')
  const shown = lines.map((line) => stripVTControlCharacters(line))
  expect(shown.find((line) => line.startsWith('spoilt'))).toMatch(/^spoilt {2}\{drover:spoilt\}:spoilt:wait/)
  expect(shown.filter((line) => line.startsWith('good '))).toHaveLength(1)
})
