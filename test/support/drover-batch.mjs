// Runs several `drover` commands of the built dist/ one after another in this one process, which is quicker than a process
// each. argv: path of dist/cli/run.js, JSON array of commands. stdout: JSON array of { code, signal, stdout, stderr }.
import { pathToFileURL } from 'node:url'

const [path = '', commands = '[]'] = process.argv.slice(2)
const { run } = await import(pathToFileURL(path).href)
const answer = process.stdout.write.bind(process.stdout)
const outcomes = []
for (const words of JSON.parse(commands)) {
  const written = { stdout: '', stderr: '' }
  for (const name of ['stdout', 'stderr']) {
    process[name].write = (text) => {
      written[name] += text
      return true
    }
  }
  outcomes.push({ code: await run(words), signal: null, ...written })
}
answer(JSON.stringify(outcomes), () => process.exit())
