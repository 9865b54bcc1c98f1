// What can go wrong between the page and the node, as one error type.
import type { FieldProblem } from './types'

/** The codes a node answers with, and `unreachable` for a node that does not answer at all. */
export const problemCodes = [
  'invalid',
  'not_found',
  'conflict',
  'unauthenticated',
  'forbidden',
  'rate_limited',
  'read_only',
  'too_large',
  'unavailable',
  'damaged',
  'internal',
  'unreachable',
] as const
export type ProblemCode = (typeof problemCodes)[number]

export class Problem extends Error {
  readonly code: ProblemCode
  /** HTTP status; 0 when there was no answer. */
  readonly status: number
  /** A sentence of the node in the page's language; empty when it said nothing. */
  readonly detail: string
  readonly errors: FieldProblem[]

  constructor(code: ProblemCode, status: number, detail: string, errors: FieldProblem[] = []) {
    super(`${code} (${status}): ${detail}`)
    this.name = 'Problem'
    this.code = code
    this.status = status
    this.detail = detail
    this.errors = errors
  }
}

const codeOfStatus: Record<number, ProblemCode> = {
  400: 'invalid',
  401: 'unauthenticated',
  403: 'forbidden',
  404: 'not_found',
  409: 'conflict',
  413: 'too_large',
  422: 'invalid',
  429: 'rate_limited',
  503: 'unavailable',
}

function isCode(code: unknown): code is ProblemCode {
  return problemCodes.some((known) => known === code)
}

function text(value: unknown): string {
  return typeof value === 'string' ? value : ''
}

function fieldProblems(errors: unknown): FieldProblem[] {
  if (!Array.isArray(errors)) return []
  return errors.map((item: unknown) => {
    const { location, message } = (item ?? {}) as { location?: unknown; message?: unknown }
    return { location: text(location), message: text(message) }
  })
}

/** Reads an RFC 9457 body. A body that is none (a proxy's page, nothing) keeps the status' meaning. */
export function problemFrom(status: number, body: unknown): Problem {
  const { code, detail, errors } = (typeof body === 'object' && body !== null ? body : {}) as Record<string, unknown>
  const known = isCode(code) ? code : (codeOfStatus[status] ?? 'internal')
  return new Problem(known, status, text(detail), fieldProblems(errors))
}

/** Turns anything thrown into a Problem. fetch throws a TypeError when nobody answers. */
export function asProblem(error: unknown): Problem {
  if (error instanceof Problem) return error
  if (error instanceof TypeError) return new Problem('unreachable', 0, '')
  return new Problem('internal', 0, error instanceof Error ? error.message : String(error))
}

/**
 * Splits the field errors of a problem into those beside a field ("values.Name"
 * or "body.values.Name", with an index behind it for lists) and the rest.
 */
export function errorsByField(problem: Problem): { fields: Record<string, string>; others: string[] } {
  const fields: Record<string, string> = {}
  const others: string[] = []
  for (const { location, message } of problem.errors) {
    const name = /(?:^|\.)values\.([^.[\]]+)/.exec(location)?.[1]
    if (name === undefined) others.push(message)
    else fields[name] = fields[name] === undefined ? message : `${fields[name]} ${message}`
  }
  return { fields, others }
}
