// One field's filter, of the kind that its type calls for.
import { Autocomplete, Checkbox, Select, TextInput, type AutocompleteProps } from '@mantine/core'
import type { CodeList, Field, Schema } from '../api/types'
import { useSuggestions } from '../fields/suggestions'
import { isNoDay, parseDate, showDate } from '../format/time'
import { pick, useWords } from '../i18n'
import { listOf } from '../schema/fields'
import { filterKind, type Condition } from '../schema/search'
import css from './list.module.css'

type Props = { schema: Schema; field: Field; condition: Condition; set: (condition: Condition) => void }

export function FieldFilter(props: Props) {
  const kind = filterKind(props.schema, props.field)
  if (kind === 'range') return <RangeFilter {...props} />
  if (kind === 'text') return <TextFilter {...props} />
  return <ChoiceFilter {...props} />
}

// No code of a list holds a control character, so this one can't be taken for a code.
const emptyChoice = '\u0000'

function ChoiceFilter({ schema, field, condition, set }: Props) {
  const { t, label, language } = useWords()
  const items = listOf(schema, field)?.items.map((item) => ({ value: item.code, label: pick(item.label, language) }))
  const answers = [
    { value: 'true', label: t('record.yes') },
    { value: 'false', label: t('record.no') },
  ]
  const data = [...(items ?? answers), { value: emptyChoice, label: `(${t('list.empty')})` }]
  const value = condition.empty === true ? emptyChoice : (condition.eq ?? null)
  const choose = (chosen: string | null) => set(chosen === emptyChoice ? { empty: true } : chosen === null ? {} : { eq: chosen })
  return <Select size="xs" label={label(field.label)} data={data} value={value} onChange={choose} clearable searchable={data.length > 9} placeholder={t('list.any')} />
}

function TextFilter({ schema, field, condition, set }: Props) {
  const { label } = useWords()
  const list = listOf(schema, field)
  const common = { size: 'xs' as const, label: label(field.label), disabled: condition.empty === true }
  const typed = condition.eq ?? ''
  const onType = (eq: string) => set({ eq })
  return (
    <div>
      {list === null ? <TextInput {...common} value={typed} onChange={(e) => onType(e.currentTarget.value)} /> : <SuggestionFilter {...common} codes={list} typed={typed} onType={onType} />}
      <EmptyBox condition={condition} set={set} name={label(field.label)} />
    </div>
  )
}

type SuggestionProps = AutocompleteProps & { codes: CodeList; typed: string; onType: (typed: string) => void }

function SuggestionFilter({ codes, typed, onType, ...common }: SuggestionProps) {
  return <Autocomplete {...common} openOnFocus={false} {...useSuggestions(codes, typed, onType)} />
}

function RangeFilter({ field, condition, set }: Props) {
  const { t, label } = useWords()
  const edge = (at: 'from' | 'to') => {
    const typed = condition[at] ?? ''
    const iso = parseDate(typed)
    return (
      <TextInput
        size="xs"
        value={typed}
        placeholder={t('form.dateHint')}
        aria-label={`${label(field.label)}, ${t(`list.${at}`)}`}
        inputMode="numeric"
        disabled={condition.empty === true}
        error={typed !== '' && iso === null && typed.length >= 8 ? t(isNoDay(typed) ? 'form.noSuchDay' : 'list.badDate') : undefined}
        onChange={(e) => set({ ...condition, [at]: e.currentTarget.value })}
        onBlur={() => {
          if (iso !== null) set({ ...condition, [at]: showDate(iso) })
        }}
      />
    )
  }
  return (
    <div role="group" aria-label={label(field.label)}>
      <span className={css.rangeLabel}>{label(field.label)}</span>
      <div className={css.range}>
        {edge('from')}
        <span aria-hidden="true">–</span>
        {edge('to')}
      </div>
      <EmptyBox condition={condition} set={set} name={label(field.label)} />
    </div>
  )
}

function EmptyBox({ condition, set, name }: Pick<Props, 'condition' | 'set'> & { name: string }) {
  const { t } = useWords()
  return (
    <Checkbox
      size="xs"
      mt={3}
      label={t('list.empty')}
      aria-label={`${name}: ${t('list.empty')}`}
      checked={condition.empty === true}
      onChange={(e) => set(e.currentTarget.checked ? { ...condition, empty: true } : { ...condition, empty: false })}
    />
  )
}
