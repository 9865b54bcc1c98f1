// The conditions of a list: text, quick filters, and one filter per field that the pack marks for it.
import { Button, Select } from '@mantine/core'
import { useState } from 'react'
import { useKpis, useNode } from '../api/queries'
import type { Collection, SearchedTick } from '../api/types'
import { officeMonth } from '../format/time'
import { useWords } from '../i18n'
import type { CollectionProps } from '../record/RecordPage'
import { activeFields, isNarrowed, type Condition, type ListState, type QuickFilter } from '../schema/search'
import { ticks } from '../ui/Tick'
import { FieldFilter } from './FieldFilter'
import css from './list.module.css'
import { SearchBox } from './SearchBox'

type Props = CollectionProps & {
  state: ListState
  set: (change: Partial<ListState>) => void
  reset: () => void
}

/** Open and overdue are known only of collections whose dates the pack has figures for. */
function useQuickFilters(collection: Collection): QuickFilter[] {
  const now = useNode().data?.now_ms
  const sets = useKpis(now === undefined ? null : officeMonth(now)).data?.sets ?? []
  const dated = sets.some((set) => set.collection === collection.id)
  return dated ? ['open', 'overdue', 'conflicted', 'flagged'] : ['conflicted', 'flagged']
}

export function FilterBar({ schema, collection, state, set, reset }: Props) {
  const { t } = useWords()
  const fields = collection.fields.filter((field) => field.filter)
  const active = activeFields(state)
  const offered = useQuickFilters(collection)
  const [shown, setShown] = useState(active.length > 0)
  const setCondition = (name: string, condition: Condition) => set({ conditions: { ...state.conditions, [name]: condition } })
  return (
    <div role="search" className={css.filters}>
      <div className={css.bar}>
        {!state.deleted && <SearchBox text={state.text} onText={(text) => set({ text })} />}
        <QuickFilters offered={offered} state={state} set={set} />
        {state.deleted && <span className={css.hint}>{t('deleted.order')}</span>}
        {!state.deleted && <TickFilter tick={state.tick} choose={(tick) => set({ tick })} />}
        {!state.deleted && fields.length > 0 && (
          <Button variant="default" onClick={() => setShown(!shown)} aria-expanded={shown} aria-controls="field-filters">
            {t('list.filters')}
            {active.length > 0 && ` (${active.length})`}
          </Button>
        )}
        {isNarrowed(state) && (
          <Button variant="subtle" onClick={reset}>
            {t('list.clear')}
          </Button>
        )}
      </div>
      {shown && !state.deleted && (
        <div id="field-filters" className={css.fieldFilters}>
          {fields.map((field) => (
            <FieldFilter key={field.name} schema={schema} field={field} condition={state.conditions[field.name] ?? {}} set={(condition) => setCondition(field.name, condition)} />
          ))}
        </div>
      )}
    </div>
  )
}

type QuickProps = { offered: QuickFilter[] } & Pick<Props, 'state' | 'set'>

function QuickFilters({ offered, state, set }: QuickProps) {
  const { t } = useWords()
  const chosen = state.quick
  const toggle = (quick: QuickFilter) => set({ quick: chosen.includes(quick) ? chosen.filter((q) => q !== quick) : [...chosen, quick] })
  return (
    <div className={css.quick} role="group" aria-label={t('list.quick')}>
      {!state.deleted && offered.map((quick) => (
        <button key={quick} type="button" aria-pressed={chosen.includes(quick)} onClick={() => toggle(quick)}>
          {t(`list.${quick}`)}
        </button>
      ))}
      <button type="button" aria-pressed={state.deleted} onClick={() => set({ deleted: !state.deleted })}>
        {t('deleted.filter')}
      </button>
    </div>
  )
}

function TickFilter({ tick, choose }: { tick: SearchedTick | null; choose: (tick: SearchedTick | null) => void }) {
  const { t } = useWords()
  const data = ticks.map((value) => ({ value, label: t(`tick.${value}`) }))
  return (
    <Select
      size="xs"
      w={170}
      clearable
      data={data}
      value={tick}
      placeholder={t('list.tick')}
      aria-label={t('list.tick')}
      onChange={(value) => choose(ticks.find((known) => known === value) ?? null)}
    />
  )
}
