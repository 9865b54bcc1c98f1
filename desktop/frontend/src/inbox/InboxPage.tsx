// What a person has to look at, a sentence each, with what settles it.
import { useState } from 'react'
import { useInbox, useInboxCounts, useNode } from '../api/queries'
import type { InboxKind, Schema } from '../api/types'
import { useShortcuts } from '../app/shortcuts'
import { useWords } from '../i18n'
import { Pager } from '../list/Pager'
import { Heading } from '../ui/Heading'
import { ProblemNote } from '../ui/ProblemNote'
import { Reading } from '../ui/Reading'
import { countOf, countText, kinds } from './counts'
import css from './inbox.module.css'
import { Item } from './Item'

/** As many as the node gives of one page. */
const pageSize = 20

export function InboxPage({ schema }: { schema: Schema }) {
  const { t } = useWords()
  const [kind, setKind] = useState<InboxKind | null>(null)
  const [cursors, setCursors] = useState<string[]>([])
  const page = useInbox(kind, cursors.at(-1))
  const readOnly = useNode().data?.read_only !== false
  const next = page.data?.next ?? null
  const back = cursors.length === 0 ? null : cursors.slice(0, -1)
  const forth = next === null ? null : [...cursors, next]
  const turn = (to: string[] | null) => {
    if (to !== null) setCursors(to)
    document.getElementById('main')?.scrollTo(0, 0)
  }
  useShortcuts({ '[': () => turn(back), ']': () => turn(forth) })
  const choose = (chosen: InboxKind | null) => {
    setCursors([])
    setKind(chosen)
  }
  return (
    <div className={css.page}>
      <Heading document={t('inbox.title')}>{t('inbox.title')}</Heading>
      <Kinds kind={kind} choose={choose} />
      {readOnly && page.data !== undefined && page.data.items.length > 0 && <p className={css.small}>{t('inbox.readOnly')}</p>}
      {page.isError && <ProblemNote error={page.error} />}
      {page.data === undefined && !page.isError && <Reading />}
      {page.data?.items.length === 0 && (
        <div className={css.nothing}>
          <strong>{t('inbox.none')}</strong>
        </div>
      )}
      {page.data !== undefined && (
        <ul className={css.items}>
          {page.data.items.map((item) => (
            <Item key={`${item.kind} ${item.id}`} schema={schema} item={item} readOnly={readOnly} />
          ))}
        </ul>
      )}
      {page.data !== undefined && (back !== null || forth !== null) && <Pager from={cursors.length * pageSize} count={page.data.items.length} total={null} back={back} forth={forth} turn={turn} />}
    </div>
  )
}

function Kinds({ kind, choose }: { kind: InboxKind | null; choose: (kind: InboxKind | null) => void }) {
  const { t, language } = useWords()
  const counts = useInboxCounts().data
  return (
    <div className={css.kinds} role="group" aria-label={t('inbox.kinds')}>
      <button type="button" aria-pressed={kind === null} onClick={() => choose(null)}>
        {t('list.any')}
      </button>
      {kinds.map((one) => (
        <button key={one} type="button" aria-pressed={kind === one} onClick={() => choose(kind === one ? null : one)} data-kind={one}>
          {t(`inbox.kind.${one}`)}
          {counts !== undefined && ` (${countText(countOf(counts, one), language)})`}
        </button>
      ))}
    </div>
  )
}
