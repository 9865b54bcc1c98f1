// A problem as a person needs it: what happened and what to do.
import type { ReactNode } from 'react'
import { asProblem, type Problem } from '../api/problem'
import { useWords, type Translate } from '../i18n'
import { Note } from './Note'

/** The node says in `detail` what happened, in the page's language; the page has words where it said nothing. */
export function problemSentence(problem: Problem, t: Translate): string {
  return problem.detail === '' ? t(`problem.${problem.code}`) : problem.detail
}

export function ProblemNote({ error, title, children }: { error: unknown; title?: string; children?: ReactNode }) {
  const { t } = useWords()
  return (
    <Note tone="bad" title={title ?? t('problem.title')} alert>
      <p>{problemSentence(asProblem(error), t)}</p>
      {children}
    </Note>
  )
}
