// Reads a Dockerfile as far as ours goes: instructions one after the other, the last stage being the image.
import { readFileSync } from 'node:fs'

export interface Instruction {
  readonly name: string
  readonly rest: string
}

export interface Copy {
  /** Name of the stage that is copied from; undefined for the build context. */
  readonly from: string | undefined
  readonly sources: readonly string[]
  readonly target: string
}

/** The instructions of each stage, the stage's FROM first. Lines that end in a backslash go on. */
export function readStages(path: string): Instruction[][] {
  const text = readFileSync(path, 'utf8')
    .replace(/^#.*\n/gm, '')
    .replace(/\\\n/g, ' ')
  const stages: Instruction[][] = []
  for (const line of text.split('\n').filter((part) => part.trim() !== '')) {
    const [, name = '', rest = ''] = /^([A-Z]+)\s+(.*)$/.exec(line.trim()) ?? []
    if (name === '') throw new Error(`no instruction: ${line}`)
    if (name === 'FROM') stages.push([])
    stages.at(-1)?.push({ name, rest })
  }
  return stages
}

export function copiesOf(stage: readonly Instruction[]): Copy[] {
  return stage
    .filter(({ name }) => name === 'COPY')
    .map(({ rest }) => {
      const words = rest.split(/\s+/)
      const from = words.find((word) => word.startsWith('--from='))?.slice('--from='.length)
      const paths = words.filter((word) => !word.startsWith('--'))
      return { from, sources: paths.slice(0, -1), target: paths.at(-1) ?? '' }
    })
}

/** The words of the exec form, `["a", "b"]`: with no shell in between, signals reach the program itself. */
export function execForm(text: string): string[] {
  return JSON.parse(text) as string[]
}
