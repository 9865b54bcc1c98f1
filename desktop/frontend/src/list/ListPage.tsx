// The list of one collection: found, filtered, sorted and paged by the node.
import { Button } from '@mantine/core'
import { useEffect, useRef } from 'react'
import { useDeletedPage, useNode, useSearchPage } from '../api/queries'
import type { DeletedPage, Page } from '../api/types'
import { navigate, paths } from '../app/router'
import { useShortcuts } from '../app/shortcuts'
import { showCount } from '../format/number'
import { showMoment } from '../format/time'
import { useWords } from '../i18n'
import type { CollectionProps } from '../record/RecordPage'
import { isNarrowed, pageSize, toSearch, type ListState } from '../schema/search'
import { Heading } from '../ui/Heading'
import { Icon } from '../ui/icons'
import { ProblemNote } from '../ui/ProblemNote'
import { Reading } from '../ui/Reading'
import { DeletedTable } from './DeletedTable'
import { FilterBar } from './FilterBar'
import css from './list.module.css'
import { useListMemory, useListState } from './memory'
import { Pager } from './Pager'
import { RecordTable } from './RecordTable'

export function ListPage({ schema, collection }: CollectionProps) {
  const { label } = useWords()
  const { state, set, reset } = useListState(collection)
  const shown = useSearchPage(collection.id, toSearch(collection, state), !state.deleted)
  const deleted = useDeletedPage(collection.id, state.cursors.at(-1), state.deleted)
  const page = state.deleted ? deleted : shown
  const { markOpened, takeOpened } = useListMemory()
  const readOnly = useNode().data?.read_only !== false
  const table = useRef<HTMLDivElement>(null)
  const create = () => navigate(paths.new(collection.id))
  const move = (step: number) => focusRow(table.current, step)
  const turn = (cursors: string[] | null) => {
    if (cursors !== null) set({ cursors })
    table.current?.scrollTo(0, 0)
  }
  const { back, forth } = turns(state, page.data)
  useShortcuts({
    j: () => move(1),
    k: () => move(-1),
    ArrowDown: () => move(1),
    ArrowUp: () => move(-1),
    '[': () => turn(back),
    ']': () => turn(forth),
    ...(readOnly ? {} : { n: create }),
  })
  useReturnToRow(table, takeOpened, page.data !== undefined)
  return (
    <div className={css.page}>
      <div className={css.head}>
        <Heading document={label(collection.label)}>{label(collection.label)}</Heading>
        {page.data !== undefined && <Totals page={page.data} />}
        {!readOnly && <NewButton create={create} />}
      </div>
      <FilterBar schema={schema} collection={collection} state={state} set={set} reset={reset} />
      {page.isError && <ProblemNote error={page.error} />}
      <div ref={table} className={css.scroll}>
        {page.data === undefined && !page.isError && <Reading />}
        {page.data !== undefined && !state.deleted && (
          <RecordTable schema={schema} collection={collection} records={page.data.items} state={state} sortBy={(sort) => set({ sort })} onOpen={markOpened} />
        )}
        {page.data !== undefined && state.deleted && <DeletedTable schema={schema} collection={collection} records={page.data.items} readOnly={readOnly} onOpen={markOpened} />}
        {page.data?.items.length === 0 && <Nothing state={state} />}
      </div>
      {page.data !== undefined && <Pager from={state.cursors.length * pageSize} count={page.data.items.length} total={page.data.total} back={back} forth={forth} turn={turn} />}
    </div>
  )
}

/** The cursors of the page before and after; null where there is none. */
function turns(state: ListState, page: Page | DeletedPage | undefined) {
  const back = state.cursors.length === 0 ? null : state.cursors.slice(0, -1)
  const next = page?.next ?? null
  return { back, forth: next === null || next === '' ? null : [...state.cursors, next] }
}

function focusRow(table: HTMLElement | null, step: number) {
  const rows = Array.from(table?.querySelectorAll<HTMLElement>('[data-row]') ?? [])
  const now = rows.findIndex((row) => row === document.activeElement)
  const to = now === -1 ? (step > 0 ? 0 : rows.length - 1) : Math.min(Math.max(now + step, 0), rows.length - 1)
  rows[to]?.focus()
}

/** Back from a record, the focus is on its row again. */
function useReturnToRow(table: { current: HTMLElement | null }, takeOpened: () => string | null, ready: boolean) {
  useEffect(() => {
    const id = ready ? takeOpened() : null
    if (id === null) return
    const rows = table.current?.querySelectorAll<HTMLElement>('[data-row]') ?? []
    Array.from(rows)
      .find((row) => row.dataset.row === id)
      ?.focus()
  }, [ready, table, takeOpened])
}

function Totals({ page }: { page: Page | DeletedPage }) {
  const { t, language } = useWords()
  return (
    <span className={css.totals} data-total={page.total}>
      {'as_of_ms' in page
        ? `${t('list.total', { total: showCount(page.total, language) })} · ${t('list.asOf', { at: showMoment(page.as_of_ms) })}`
        : t('deleted.total', { total: showCount(page.total, language) })}
    </span>
  )
}

function NewButton({ create }: { create: () => void }) {
  const { t } = useWords()
  return (
    <Button onClick={create} leftSection={<Icon name="plus" />} rightSection={<kbd>n</kbd>} aria-keyshortcuts="n">
      {t('list.new')}
    </Button>
  )
}

function Nothing({ state }: { state: ListState }) {
  const { t } = useWords()
  const narrowed = isNarrowed(state)
  if (state.deleted)
    return (
      <div className={css.nothing}>
        <strong>{t('deleted.none')}</strong>
      </div>
    )
  return (
    <div className={css.nothing}>
      <strong>{narrowed ? t('list.none') : t('list.noneYet')}</strong>
      {narrowed && <p>{t('list.noneHint')}</p>}
    </div>
  )
}
