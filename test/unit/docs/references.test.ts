// Whatever a document points at is there: links and their anchors, files, functions, commands and their options.
import { existsSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { Command } from 'commander'
import { describe, expect, it } from 'vitest'
import { VERBS } from '../../../src/cli/verb.js'
import { codeIn, commands, DOCUMENTS, prose, ROOT, read } from './documents.js'

const LINK = /\]\((?!https?:)([^)\s]+)\)/g
const PATH = /^(?:(?:src|test|scripts|bench|deploy|examples|docs)\/[\w./-]+|[\w.-]+(?:\/[\w.-]+)+\.(?:ts|lua|md|yml))$/
const FUNCTION = /`(src\/[\w./-]+\.ts)`,? `(#?\w+)`/g
const { scripts } = JSON.parse(read('package.json')) as { scripts: Readonly<Record<string, string>> }

/** Anchors as GitHub makes them from headings. */
function anchorsOf(document: string): string[] {
  const headings = [...prose(document).matchAll(/^#+ (.+)$/gm)].map((match) => match[1] ?? '')
  return headings.map((heading) =>
    heading
      .toLowerCase()
      .replace(/[^\p{L}\p{N} _-]/gu, '')
      .replaceAll(' ', '-'),
  )
}

async function commandOf(verb: string): Promise<Command> {
  const command = new Command().exitOverride().configureOutput({ writeErr: () => undefined, writeOut: () => undefined })
  const loaded = await VERBS[verb]?.load()
  loaded?.define(command)
  return command.option('--json')
}

describe.each(DOCUMENTS)('%s', (document) => {
  it('links to what is there', () => {
    for (const [, link = ''] of prose(document).matchAll(LINK)) {
      const [path = '', anchor] = link.split('#')
      const target = path === '' ? document : relative(ROOT, join(ROOT, dirname(document), path))
      expect(existsSync(join(ROOT, target)), link).toBe(true)
      if (anchor !== undefined) expect(anchorsOf(target), link).toContain(anchor)
    }
  })

  it('names files and folders that are there', () => {
    const paths = codeIn(prose(document)).filter((code) => PATH.test(code))
    expect(paths.filter((path) => !existsSync(join(ROOT, path)))).toEqual([])
  })

  it('names functions that are in their files', () => {
    for (const [, file = '', name = ''] of prose(document).matchAll(FUNCTION)) {
      const definition = new RegExp(`^\\s*(?:export )?(?:override )?(?:async )?(?:function )?${name}[(<]`, 'm')
      expect(read(file), `${name} in ${file}`).toMatch(definition)
    }
  })

  it('names commands and options that there are, and gives them no argument too many', async () => {
    for (const line of commands(document)) {
      const [, verb, words = ''] = /(?:^|[\s(])(?:drover|dist\/cli\/main\.js) ([a-z]+)([^#]*)/.exec(line) ?? []
      if (verb === undefined) continue
      expect(Object.keys(VERBS), line).toContain(verb)
      const command = await commandOf(verb)
      const options = [...command.options.map(({ long }) => long ?? ''), '--help']
      for (const [option] of words.matchAll(/--[a-z-]+/g)) expect(options, line).toContain(option)
      const given = words.split(/[&|)>`]/)[0]?.match(/'[^']*'|\S+/g) ?? []
      expect(() => command.parse(given, { from: 'user' }), line).not.toThrow('too many arguments')
    }
  })

  it('names scripts of package.json that there are', () => {
    const named = commands(document).flatMap((line) => [...line.matchAll(/\bnpm (?:run ([\w-]+)|(start|test))\b/g)])
    for (const [text, script, short] of named) expect(Object.keys(scripts), text).toContain(script ?? short)
  })
})
