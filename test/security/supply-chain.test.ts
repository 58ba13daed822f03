// What is installed with Drover: listed, pinned, from the registry alone, and in need of no install script.
import { execFile } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { transformSync } from 'esbuild'
import { expect, it } from 'vitest'
import { ROOT, read } from '../unit/docs/documents.js'

interface Locked {
  readonly version?: string
  readonly resolved?: string
  readonly integrity?: string
  readonly dev?: boolean
  readonly optional?: boolean
  readonly link?: boolean
  readonly hasInstallScript?: boolean
}

const lock = JSON.parse(read('package-lock.json')) as { packages: Readonly<Record<string, Locked>> }
const manifest = JSON.parse(read('package.json')) as {
  dependencies: Readonly<Record<string, string>>
  devDependencies: Readonly<Record<string, string>>
  scripts: Readonly<Record<string, string>>
}
const installed = Object.entries(lock.packages).filter(([path]) => path !== '')
const EXACT = /^\d+\.\d+\.\d+(-[\w.]+)?$/
const nameOf = (path: string) => path.slice(path.lastIndexOf('node_modules/') + 'node_modules/'.length)

// Each with the reason why it works without its script.
const UNRUN_SCRIPTS: Readonly<Record<string, string>> = {
  esbuild: 'its script only replaces a launcher by the program that an optional package brings',
  'msgpackr-extract': 'optional: without it msgpackr reads in JavaScript',
  fsevents: 'optional, of macOS',
}

it('no package needs its install script: set-up, image and CI leave them out', () => {
  const withScript = installed.filter(([, { hasInstallScript }]) => hasInstallScript).map(([path]) => nameOf(path))
  expect(withScript.filter((name) => !Object.hasOwn(UNRUN_SCRIPTS, name))).toEqual([])
  // `npm test` and CI install by this file, so all tests run without them.
  expect(read('scripts/setup/node-packages.mjs')).toContain("'--ignore-scripts'")
  const installs = read('Dockerfile').match(/npm (?:ci|install).*/g) ?? []
  expect(installs.length).toBeGreaterThan(0)
  for (const install of installs) expect(install).toContain('--ignore-scripts')
  expect(Object.keys(manifest.scripts).filter((name) => /^(pre|post)?(install|prepare)$/.test(name))).toEqual([])
})

it('esbuild, which loads TypeScript job files, needs no script: its program is a package of its own', () => {
  const { version } = lock.packages['node_modules/esbuild'] ?? {}
  const programs = installed.filter(([path]) => path.startsWith('node_modules/@esbuild/'))
  expect(programs.length).toBeGreaterThan(10)
  for (const [, program] of programs) expect(program).toMatchObject({ version, optional: true })
  expect(transformSync('const n: number = 1', { loader: 'ts' }).code).toBe('const n = 1;\n')
})

it('every package comes from the npm registry, with its digest, and none from git or plain http', () => {
  const strange = installed.filter(([, { resolved, integrity, link }]) => {
    const isPinned =
      /^sha512-/.test(integrity ?? '') && (resolved === undefined || /^https:\/\/[^/]+\/.+\.tgz$/.test(resolved))
    return link || !isPinned
  })
  expect(strange.map(([path]) => path)).toEqual([])
  expect(Object.keys(manifest.dependencies).length).toBeLessThanOrEqual(25)
})

it('a new version is taken exactly, and without its scripts', () => {
  const settings = read('.npmrc')
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('#'))
  expect(settings).toEqual(['save-exact=true', 'ignore-scripts=true'])
  const { dependencies, devDependencies } = manifest
  const loose = Object.entries({ ...dependencies, ...devDependencies }).filter(([, version]) => !EXACT.test(version))
  expect(loose).toEqual([])
})

it('images are of exact versions: no tag that means another version tomorrow', () => {
  const built = [...read('Dockerfile').matchAll(/^FROM (\S+)/gm)].map(([, image = '']) => image)
  const composed = [...read('docker-compose.yml').matchAll(/^ +image: (\S+)$/gm)].map(([, image = '']) => image)
  const foreign = [...built, ...composed].filter((image) => image !== 'drover')
  expect(foreign.length).toBeGreaterThan(3)
  for (const image of foreign) expect(image).toMatch(/^[\w/.-]+:\d+\.\d+\.\d+-[a-z]+[\w.-]*(@sha256:[0-9a-f]{64})?$/)
})

// npm's own `--omit dev` leaves out packages that tools need too, so it lists the tools as well.
it('npm run sbom lists exactly what package-lock.json has, with versions and digests, as CycloneDX', async () => {
  const cache = mkdtempSync(join(tmpdir(), 'drover-sbom-'))
  try {
    const env = { ...process.env, npm_config_cache: cache, npm_config_offline: 'true' }
    const options = { cwd: ROOT, env, maxBuffer: 64 * 1024 * 1024 }
    const { stdout } = await promisify(execFile)('npm', ['run', '--silent', 'sbom'], options)
    const bom = JSON.parse(stdout) as {
      bomFormat: string
      components: {
        name: string
        group?: string
        version: string
        hashes?: { alg: string; content: string }[]
      }[]
    }
    expect(bom.bomFormat).toBe('CycloneDX')
    const listed = new Map<string, string>(
      bom.components.map(({ name, group, version, hashes }) => {
        const digest = hashes?.find(({ alg }) => alg === 'SHA-512')?.content ?? ''
        return [
          `${group ? `${group}/` : ''}${name}@${version}`,
          `sha512-${Buffer.from(digest, 'hex').toString('base64')}`,
        ] as const
      }),
    )
    const locked = new Map(installed.map(([path, { version, integrity }]) => [`${nameOf(path)}@${version}`, integrity]))
    // What is installed and was not asked for, or is not what was asked for.
    expect([...listed].filter(([name, digest]) => locked.get(name) !== digest)).toEqual([])
    const required = installed.filter(([, { dev, optional }]) => !dev && !optional)
    expect(required.length).toBeGreaterThan(50)
    const missing = required
      .map(([path, { version }]) => `${nameOf(path)}@${version}`)
      .filter((name) => !listed.has(name))
    expect(missing).toEqual([])
  } finally {
    rmSync(cache, { recursive: true, force: true })
  }
})
