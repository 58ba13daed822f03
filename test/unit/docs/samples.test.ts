// The TypeScript samples of all documents, compiled as a user of the package compiles them: against the built types.
import { execFile } from 'node:child_process'
import { copyFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { expect, test } from 'vitest'
import { blocks, DOCUMENTS, filesBelow, ROOT } from './documents.js'

const COMPILER_OPTIONS = {
  target: 'es2023',
  module: 'nodenext',
  types: ['node'],
  typeRoots: [join(ROOT, 'node_modules', '@types')],
  strict: true,
  noUnusedLocals: true,
  verbatimModuleSyntax: true,
  skipLibCheck: true,
  noEmit: true,
}

function layOut(folder: string): number {
  let count = 0
  for (const document of DOCUMENTS) {
    for (const { language, text } of blocks(document)) {
      if (language !== 'ts') continue
      count++
      // Samples that belong together name their files.
      const name = /^\/\/ ([\w./-]+\.ts)\b/.exec(text)?.[1] ?? `sample-${count}.ts`
      const file = join(folder, document.replaceAll('/', '-'), name)
      mkdirSync(dirname(file), { recursive: true })
      writeFileSync(file, text)
      // The sample of an example uses the files beside it.
      const beside = document.startsWith('examples/') ? filesBelow(dirname(document)) : []
      for (const path of beside.filter((each) => each.endsWith('.ts'))) {
        copyFileSync(join(ROOT, path), join(dirname(file), basename(path)))
      }
    }
  }
  writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify({ compilerOptions: COMPILER_OPTIONS }))
  return count
}

function compile(folder: string): Promise<string> {
  const compiler = join(ROOT, 'node_modules', 'typescript', 'bin', 'tsc')
  return new Promise((resolve) => {
    execFile(process.execPath, [compiler, '-p', folder], (error, stdout) =>
      resolve(error ? stdout || String(error) : ''),
    )
  })
}

test('every TypeScript sample compiles against the types of the package', { timeout: 300_000 }, async () => {
  // Inside the checkout, where `drover` is this package.
  mkdirSync(join(ROOT, 'test-output'), { recursive: true })
  const folder = mkdtempSync(join(ROOT, 'test-output', 'samples-'))
  try {
    expect(layOut(folder)).toBeGreaterThan(3)
    expect(await compile(folder)).toBe('')
  } finally {
    rmSync(folder, { recursive: true })
  }
})
