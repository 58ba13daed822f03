// A door of its own for answers over HTTP, so that an app that only enqueues does not load a server.
export { PROBLEM_TYPE, type ProblemFacts, problemDocument } from './problem.js'
