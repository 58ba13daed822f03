import { rmSync } from 'node:fs'
import { afterEach, describe, expect, it } from 'vitest'
import { CONFIG_DOOR, directoryWith, runNative } from './run-native.js'

const directories: string[] = []
afterEach(() => {
  for (const directory of directories.splice(0)) rmSync(directory, { recursive: true })
})

function workspace(files: Readonly<Record<string, string>>): string {
  const directory = directoryWith(files)
  directories.push(directory)
  return directory
}

function load(cwd: string, ...globs: string[]): Promise<unknown> {
  return runNative(`
    const modules = await config.loadModules(${JSON.stringify(globs)}, ${JSON.stringify(cwd)})
    return modules.map(({ file, exports }) => [file.slice(${cwd.length + 1}), { ...exports }])`)
}

describe('job files', () => {
  it('of all four endings are imported in alphabetical order, without declarations, tests and node_modules', async () => {
    const cwd = workspace({
      'package.json': '{ "type": "module" }',
      'jobs/d.ts': 'enum Kind { A = 4 }\nexport const n: number = Kind.A',
      'jobs/c.mts': 'export const n: number = 3',
      'jobs/deep/b.js': 'export const n = 2',
      'jobs/a.mjs': 'export const n = 1; export default { hello: "world" }',
      'jobs/types.d.ts': 'export declare const n: number',
      'jobs/a.test.ts': 'throw new Error("a test was loaded")',
      'jobs/node_modules/x/index.js': 'throw new Error("node_modules was loaded")',
      'jobs/notes.txt': 'not code',
    })
    expect(await load(cwd, 'jobs/**/*')).toEqual([
      ['jobs/a.mjs', { n: 1, default: { hello: 'world' } }],
      ['jobs/c.mts', { n: 3 }],
      ['jobs/d.ts', { n: 4 }],
      ['jobs/deep/b.js', { n: 2 }],
    ])
  })

  it.each(['module', 'commonjs'])('in TypeScript share our modules in a package of type %s', async (type) => {
    const cwd = workspace({
      'package.json': JSON.stringify({ type }),
      'jobs/a.ts': `import { loadModules } from ${JSON.stringify(CONFIG_DOOR)}
        import { contract } from '../contract.js'
        export { loadModules, contract }`,
      'contract.ts': 'export const contract: string = "shared"',
    })
    const outcome = await runNative(`
      const [{ exports }] = await config.loadModules(['jobs/*.ts'], ${JSON.stringify(cwd)})
      return [exports.loadModules === config.loadModules, exports.contract]`)
    expect(outcome).toEqual([true, 'shared'])
  })

  it('that do not load end in a JobFileError with the file and the reason', async () => {
    const cwd = workspace({
      'package.json': '{ "type": "module" }',
      'syntax.ts': 'export const = 1',
      'missing.ts': 'import "no-such-package"',
      'odd.ts': 'throw "odd"',
    })
    const outcome = await runNative(`
      const load = (file) => config.loadModules([file], ${JSON.stringify(cwd)}).catch((error) => {
        return [error.name, error.file, String(error.cause)]
      })
      return [await load('syntax.ts'), await load('missing.ts'), await load('odd.ts')]`)
    expect(outcome).toEqual([
      ['JobFileError', `${cwd}/syntax.ts`, expect.stringContaining('Expected identifier')],
      ['JobFileError', `${cwd}/missing.ts`, expect.stringContaining('no-such-package')],
      ['JobFileError', `${cwd}/odd.ts`, 'odd'],
    ])
  })

  it('that no glob matches end in a ConfigError that says where it looked', async () => {
    const cwd = workspace({ 'jobs/notes.txt': 'not code' })
    expect(await load(cwd, 'jobs/*', 'more/*.ts')).toMatchObject({
      error: 'ConfigError',
      problems: [expect.stringContaining(`matches jobs/*, more/*.ts in ${cwd}`)],
    })
  })
})

describe('drover.config', () => {
  it('is read with each of the four endings', async () => {
    const endings = ['ts', 'mts', 'js', 'mjs']
    const places = endings.map((ending) => {
      return workspace({
        'package.json': '{ "type": "module" }',
        [`drover.config.${ending}`]: `export default { prefix: "${ending}" }`,
      })
    })
    const outcome = await runNative(`
      const load = (cwd) => config.loadSettings({ env: {}, cwd })
      return (await Promise.all(${JSON.stringify(places)}.map(load))).map(({ prefix }) => prefix)`)
    expect(outcome).toEqual(endings)
  })
})
