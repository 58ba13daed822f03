import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { connect, createServer } from 'node:net'
import { join } from 'node:path'
import { describe, expect, it, vi } from 'vitest'
import {
  MAIN,
  makeProject,
  type RunningCommand,
  runDrover,
  startDrover,
  useProject,
  write,
} from '../support/drover-cli.js'
import { freePort } from '../support/redis.js'
import { PATIENCE } from '../support/until.js'

const TOKEN = 'open-sesame-17'
const { cwd, env } = await useProject()

async function startServe(words: readonly string[], moreEnv: Record<string, string> = {}) {
  const serve = startDrover(['serve', '--port', '0', ...words], { cwd, env: { ...env, ...moreEnv } })
  const [, url = ''] = await serve.until(/"url":"([^"]+)".*"msg":"dashboard ready"/)
  // It listens before it has its connection.
  await vi.waitUntil(async () => (await fetch(`${url}/readyz`)).ok, PATIENCE)
  return { serve, url }
}

async function end(serve: RunningCommand): Promise<void> {
  serve.kill('SIGTERM')
  expect(await serve.finished).toMatchObject({ code: 0, stderr: '' })
}

describe('drover serve', () => {
  it('ends on SIGTERM also when nobody reads its log any more and Redis is away', async () => {
    const options = { cwd, env: { ...process.env, REDIS_URL: `redis://127.0.0.1:${await freePort()}` } }
    const port = await freePort()
    const serve = spawn(process.execPath, [MAIN, 'serve', '--port', String(port)], {
      ...options,
      stdio: ['ignore', 'pipe', 'ignore'],
    })
    let said = ''
    serve.stdout.setEncoding('utf8').on('data', (text: string) => {
      said += text
    })
    await vi.waitUntil(() => said.includes('dashboard ready'), PATIENCE)
    serve.stdout.destroy()
    // Each of these is a line that can no longer be written.
    for (let request = 0; request < 3; request++) await fetch(`http://127.0.0.1:${port}/readyz`)
    serve.kill('SIGTERM')
    expect(await once(serve, 'exit')).toEqual([0, null])
  })

  it('answers on the address that it logs, and closes in order with exit code 0 on SIGTERM', async () => {
    const { serve, url } = await startServe([])
    expect((await fetch(`${url}/livez`)).status).toBe(200)
    expect((await fetch(`${url}/readyz`)).status).toBe(200)
    expect((await fetch(url)).headers.get('content-type')).toMatch(/^text\/html/)
    await end(serve)
    expect(serve.stdout()).toMatch(/"signal":"SIGTERM","msg":"dashboard closing".*\n.*"msg":"dashboard closed"/)
    await expect(fetch(`${url}/livez`)).rejects.toThrow()
  })

  it.each([
    ['DROVER_TOKEN', [], { DROVER_TOKEN: TOKEN }],
    ['a file that DROVER_TOKEN_FILE names', [], { DROVER_TOKEN_FILE: 'token.txt' }],
    ['--token-file, which wins over the environment', ['--token-file', 'token.txt'], { DROVER_TOKEN: 'another-token' }],
  ])('asks for the token of %s', async (_where, words, moreEnv) => {
    write(cwd, 'token.txt', `${TOKEN}\n`)
    const { serve, url } = await startServe(
      ['--host', '0.0.0.0', ...words],
      moreEnv as unknown as Record<string, string>,
    )
    const ask = (token: string) => fetch(`${url}/`, { headers: { authorization: `Bearer ${token}` } })
    expect((await ask(TOKEN)).status).toBe(200)
    expect((await ask('another-token')).status).toBe(401)
    await end(serve)
    expect(serve.stdout() + serve.stderr()).not.toContain(TOKEN)
  })

  it('lies below its base path', async () => {
    const { serve, url } = await startServe(['--base-path', '/admin/jobs'])
    expect(url).toMatch(/\/admin\/jobs$/)
    expect((await fetch(`${url}/livez`)).status).toBe(200)
    await end(serve)
  })

  it('refuses a host that other machines reach without a token, with exit code 2', async () => {
    const { code, stdout, stderr } = await runDrover(['serve', '--host', '0.0.0.0'], { cwd, env })
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' })
    expect(stderr).toMatch(
      /^drover: the dashboard listens on "0\.0\.0\.0", which other machines can reach, and has no token/,
    )
  })

  it('refuses a port in use with exit code 2, and leaves nothing behind', async () => {
    const holder = createServer().listen(0, '127.0.0.1')
    await once(holder, 'listening')
    const { port } = holder.address() as { port: number }
    const { code, stdout, stderr } = await runDrover(['serve', '--port', `${port}`], { cwd, env })
    holder.close()
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' })
    expect(stderr).toMatch(
      new RegExp(`^drover: port ${port} is in use: end the process that holds it, or choose another`),
    )
  })

  it('exits at once on a second signal while a request is being answered', async () => {
    const { serve, url } = await startServe([])
    const { hostname, port } = new URL(url)
    // A request whose end never comes holds the close back. Its first answer says that the server has it.
    const socket = connect({ host: hostname, port: Number(port) })
    socket.on('error', () => undefined)
    const head = `POST /sign-in HTTP/1.1\r\nHost: ${hostname}:${port}\r\nContent-Length: 100\r\n`
    socket.write(`${head}Expect: 100-continue\r\n\r\n`)
    await once(socket, 'data')
    serve.kill('SIGTERM')
    await serve.until(/"msg":"dashboard closing"/)
    await expect
      .poll(() => {
        serve.kill('SIGINT')
        return serve.child.exitCode
      })
      .not.toBeNull()
    expect((await serve.finished).code).toBe(130)
    socket.destroy()
  })
})

describe('drover health', () => {
  it('exits with 0 for a dashboard that is alive', async () => {
    const { serve, url } = await startServe([])
    const { port } = new URL(url)
    const [plain, json, ready] = await Promise.all([
      runDrover(['health', '--port', port], { cwd }),
      runDrover(['health', '--json'], { cwd, env: { DROVER_PORT: port, DROVER_HOST: '0.0.0.0' } }),
      runDrover(['health', '--url', `${url}/readyz`], { cwd }),
    ])
    expect(plain).toMatchObject({ code: 0, stdout: `ok: ${url}/livez answered 200\n`, stderr: '' })
    expect(JSON.parse(json.stdout)).toEqual({ ok: true, url: `${url}/livez`, status: 200, reason: 'answered 200' })
    expect(ready.code).toBe(0)
    await end(serve)
  })

  it('exits with 1 for one that is not there, that is silent, and that answers something else', async () => {
    const silent = createServer().listen(0, '127.0.0.1')
    await once(silent, 'listening')
    const { port: silentPort } = silent.address() as { port: number }
    const { serve, url } = await startServe([])
    const [away, mute, other, json] = await Promise.all([
      runDrover(['health', '--port', `${await freePort()}`], { cwd }),
      runDrover(['health', '--port', `${silentPort}`, '--timeout', '300ms'], { cwd }),
      runDrover(['health', '--url', `${url}/no-such-page`], { cwd }),
      runDrover(['health', '--port', `${silentPort}`, '--timeout', '300ms', '--json'], { cwd }),
    ])
    silent.close()
    expect(away).toMatchObject({
      code: 1,
      stdout: '',
      stderr: expect.stringMatching(/^drover: not healthy: \S+ refuses connections\n$/),
    })
    expect(mute).toMatchObject({ code: 1, stdout: '', stderr: expect.stringMatching(/is silent for 300 ms\n$/) })
    expect(other).toMatchObject({ code: 1, stdout: '', stderr: expect.stringMatching(/answered 404\n$/) })
    expect(JSON.parse(json.stdout)).toMatchObject({ ok: false, status: null })
    await end(serve)
  })
})

describe('drover init', () => {
  it('refuses a directory with files in it, unless --yes, and then overwrites none', async () => {
    const project = makeProject({ 'README.md': 'mine' })
    const refused = await runDrover(['init', '.'], { cwd: project })
    expect(refused).toMatchObject({ code: 2, stdout: '' })
    expect(refused.stderr).toMatch(
      /^drover: \S+ is not empty \(README\.md, node_modules, package\.json\): name another/,
    )
    const added = await runDrover(['init', '--yes', '--json'], { cwd: project })
    expect(JSON.parse(added.stdout)).toEqual({
      dir: project,
      written: ['tsconfig.json', 'drover.config.ts', 'jobs.ts', 'handlers/greet.ts', 'enqueue.ts', '.gitignore'],
      kept: ['package.json', 'README.md'],
    })
    expect((await runDrover(['init', join(project, 'README.md')], { cwd: project })).stderr).toMatch(
      /is a file: name a directory/,
    )
  })
})
