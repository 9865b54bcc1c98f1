// A field's label with what is worth knowing about where it comes from.
import type { CodeList, Collection, Field } from '../api/types'
import { useWords } from '../i18n'
import { SourceMark } from '../ui/SourceMark'
import css from './fields.module.css'

type Props = { collection: Collection; field: Field; list: CodeList | null; inLabel?: boolean }

/** The collection tells its source once; a field only where its own differs, a list always. */
export function FieldLabel({ collection, field, list, inLabel = false }: Props) {
  const { label } = useWords()
  const own = field.source !== collection.source || field.confidence !== collection.confidence
  const told = list ?? (own ? field : null)
  return (
    <span className={css.label}>
      {label(field.label)}
      {told !== null && <SourceMark source={told.source} confidence={told.confidence} open={list?.open ?? false} inLabel={inLabel} />}
    </span>
  )
}
