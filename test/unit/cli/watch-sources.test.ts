import { mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { foldersOf, type SourceWatch, watchSources } from '../../../src/cli/dev/watch-sources.js'

describe('foldersOf', () => {
  it.each([
    [['jobs/**/*.ts'], ['/app/jobs']],
    [['jobs.ts'], ['/app']],
    [['./src/jobs/{a,b}/*.ts', 'src/jobs/x.ts'], ['/app/src/jobs']],
    [['**/*.job.ts'], ['/app']],
    [['/elsewhere/jobs/*.ts'], ['/elsewhere/jobs']],
    [['../shared/jobs/*.ts'], ['/shared/jobs']],
    [['jobs/*.ts', '!jobs/old/*.ts'], ['/app/jobs']],
  ])('gives for %j the folders %j', (globs, folders) => {
    expect(foldersOf(globs, '/app')).toEqual(folders)
  })
})

describe('watchSources', () => {
  let folder: string
  let changed: string[]
  let watch: SourceWatch

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'drover-watch-'))
    for (const name of ['jobs/deep', 'node_modules/x', 'dist', '.hidden'])
      mkdirSync(join(folder, name), { recursive: true })
    writeFileSync(join(folder, 'jobs', 'a.ts'), '1')
    changed = []
    watch = watchSources({
      folders: [folder],
      onChange: (file) => changed.push(file.slice(folder.length + 1)),
      onError: (error) => changed.push(error.message),
    })
  })
  afterEach(() => {
    watch.close()
    rmSync(folder, { recursive: true, force: true })
  })

  const put = (path: string) => writeFileSync(join(folder, path), `${Math.random()}`)
  const untilChanged = (file: string) => expect.poll(() => changed).toContain(file)

  it('notices a file that is changed, made, or put in place of another', async () => {
    put('jobs/a.ts')
    await untilChanged('jobs/a.ts')
    put('jobs/deep/b.mjs')
    await untilChanged('jobs/deep/b.mjs')
    put('jobs/c.ts.tmp')
    renameSync(join(folder, 'jobs/c.ts.tmp'), join(folder, 'jobs/c.ts'))
    await untilChanged('jobs/c.ts')
  })

  it('tells of many changes at once only once', async () => {
    for (let index = 0; index < 20; index++) put('jobs/a.ts')
    await untilChanged('jobs/a.ts')
    put('jobs/deep/end.ts')
    await untilChanged('jobs/deep/end.ts')
    expect(changed).toEqual(['jobs/a.ts', 'jobs/deep/end.ts'])
  })

  it('notices files in folders that are made later', async () => {
    mkdirSync(join(folder, 'later', 'deep'), { recursive: true })
    put('later/deep/a.ts')
    await untilChanged('later/deep/a.ts')
    put('later/deep/b.ts')
    await untilChanged('later/deep/b.ts')
  })

  it('notices a folder that was removed and made again', async () => {
    rmSync(join(folder, 'jobs'), { recursive: true })
    await untilChanged('jobs/a.ts')
    mkdirSync(join(folder, 'jobs'))
    put('jobs/b.ts')
    await untilChanged('jobs/b.ts')
    put('jobs/c.ts')
    await untilChanged('jobs/c.ts')
  })

  it('leaves node_modules, dist, hidden folders and files that are no sources alone', async () => {
    put('jobs/end.ts')
    // Of several changes at once the last is told: one of these, were it noticed.
    for (const path of ['node_modules/x/a.js', 'dist/a.js', '.hidden/a.ts', 'jobs/data.json', 'jobs/.a.ts.swp'])
      put(path)
    await untilChanged('jobs/end.ts')
    expect(changed).toEqual(['jobs/end.ts'])
  })

  it('is silent after close', async () => {
    put('jobs/a.ts')
    watch.close()
    const other = watchSources({ folders: [folder], onChange: () => changed.push('other'), onError: () => undefined })
    put('jobs/b.ts')
    await untilChanged('other')
    other.close()
    expect(changed).toEqual(['other'])
  })
})
