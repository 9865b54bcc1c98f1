// What was ever saved of a record, Save by Save: whose it was, when, on which device, and what each value replaced.
import { Button } from '@mantine/core'
import { useEffect, useRef, useState } from 'react'
import { useHistory } from '../api/queries'
import type { Past, Rec, Saved, Wrote } from '../api/types'
import { useShortcuts } from '../app/shortcuts'
import { showCount } from '../format/number'
import { showMoment } from '../format/time'
import { useWords } from '../i18n'
import { Pager } from '../list/Pager'
import { findField } from '../schema/fields'
import { Icon } from '../ui/icons'
import { Note } from '../ui/Note'
import { ProblemNote } from '../ui/ProblemNote'
import { Reading } from '../ui/Reading'
import { TickMark } from '../ui/Tick'
import css from './history.module.css'
import type { CollectionProps } from './RecordPage'
import page from './record.module.css'
import { saidText } from './said'

/** As many as the node gives of one page. */
const pageSize = 20
/** A first save writes every field of a form: so many are shown, the others by a button. */
const fieldsShown = 6

export function HistoryPanel({ schema, collection, record }: CollectionProps & { record: Rec }) {
  const { t } = useWords()
  const [open, setOpen] = useState(false)
  const toggle = () => setOpen(!open)
  useShortcuts({ h: toggle })
  return (
    <section className={page.section} aria-label={t('history.title')} data-history={open}>
      <button type="button" className={css.toggle} aria-expanded={open} aria-keyshortcuts="h" onClick={toggle}>
        <Icon name={open ? 'down' : 'right'} /> {t('history.title')} <kbd>h</kbd>
      </button>
      {open && <Saves schema={schema} collection={collection} record={record} />}
    </section>
  )
}

function Saves({ schema, collection, record }: CollectionProps & { record: Rec }) {
  const { t, language } = useWords()
  const [cursors, setCursors] = useState<string[]>([])
  const history = useHistory(record.collection, record.id, cursors.at(-1))
  const top = useRef<HTMLParagraphElement>(null)
  useEffect(() => top.current?.scrollIntoView({ block: 'nearest' }), [cursors])
  if (history.isError) return <ProblemNote error={history.error} />
  if (history.data === undefined) return <Reading />
  const { saves, total, next, older, damaged } = history.data
  const turn = (to: string[] | null) => {
    if (to !== null) setCursors(to)
  }
  return (
    <div className={css.panel}>
      <p ref={top} className={css.total}>
        {t('history.total', { total: showCount(total, language) })}
      </p>
      <ol className={css.saves}>
        {saves.map((save) => (
          <SaveItem key={save.id} schema={schema} collection={collection} save={save} />
        ))}
      </ol>
      {damaged > 0 && <Note tone="bad">{t('history.damaged', { count: damaged })}</Note>}
      {older && next === null && <Note tone="plain">{t('history.older')}</Note>}
      {(next !== null || cursors.length > 0) && (
        <Pager from={cursors.length * pageSize} count={saves.length} total={total} back={cursors.length === 0 ? null : cursors.slice(0, -1)} forth={next === null ? null : [...cursors, next]} turn={turn} />
      )}
    </div>
  )
}

function SaveItem({ schema, collection, save }: CollectionProps & { save: Saved }) {
  const { t } = useWords()
  const [whole, setWhole] = useState(false)
  const many = save.wrote.length > fieldsShown
  const shown = whole || !many ? save.wrote : save.wrote.slice(0, fieldsShown)
  return (
    <li className={css.save} data-save={save.id}>
      <div className={css.head}>
        <strong>{showMoment(save.at_ms)}</strong>
        <span>{save.officer === '' ? t('history.nobody') : save.officer}</span>
        <span className={css.device} title={save.device}>
          {save.device_name === '' ? save.device.slice(0, 8) : save.device_name}
        </span>
        <TickMark tick={save.tick} />
      </div>
      <TimeRemark save={save} />
      <ul className={css.wrote}>
        {shown.map((wrote, i) => (
          <WroteItem key={i} schema={schema} collection={collection} wrote={wrote} />
        ))}
      </ul>
      {many && (
        <Button variant="subtle" size="compact-xs" aria-expanded={whole} onClick={() => setWhole(!whole)}>
          {whole ? t('history.fewer') : t('history.more', { count: save.wrote.length - fieldsShown })}
        </Button>
      )}
    </li>
  )
}

/** The claimed time is the device's own; what the province makes of it stands beside it where that is known. */
function TimeRemark({ save }: { save: Saved }) {
  const { t } = useWords()
  const remarks = [
    save.witnessed && save.effective_ms > 0 ? t('history.effective', { at: showMoment(save.effective_ms) }) : null,
    save.effective_ms === 0 ? t('history.notBelieved') : null,
    save.suspect ? t('history.suspect') : null,
  ].filter((remark) => remark !== null)
  return remarks.length === 0 ? null : <p className={css.remark}>{remarks.join(' ')}</p>
}

function WroteItem({ schema, collection, wrote }: CollectionProps & { wrote: Wrote }) {
  const { t, label, language } = useWords()
  const field = wrote.field === undefined ? undefined : findField(collection, wrote.field)
  if (wrote.what === 'created' || wrote.what === 'restored' || wrote.what === 'deleted')
    return (
      <li data-what={wrote.what}>
        <b>{t(`history.${wrote.what}`)}</b> <Marks wrote={wrote} />
      </li>
    )
  const text = saidText(schema, collection, wrote, language, t)
  return (
    <li data-wrote={wrote.field}>
      <span className={css.field}>{field === undefined ? t('history.otherField') : label(field.label)}</span>
      <span className={css.value}>
        {wrote.what === 'removed' ? <del>{text}</del> : wrote.what === 'added' ? `+ ${text ?? ''}` : (text ?? t('conflict.emptyValue'))} <Marks wrote={wrote} />
      </span>
      <span className={css.before}>
        {wrote.replaced.map((past, i) => (
          <Before key={i} past={past} text={saidText(schema, collection, past, language, t) ?? t('conflict.emptyValue')} />
        ))}
        {wrote.lost > 0 && <span>{t('history.lost', { count: wrote.lost })}</span>}
      </span>
    </li>
  )
}

function Before({ past, text }: { past: Past; text: string }) {
  const { t } = useWords()
  return (
    <span data-replaced title={`${past.officer}, ${past.device_name}, ${showMoment(past.at_ms)}`}>
      {t('history.instead')} <del>{text}</del> <small>({past.officer})</small>
    </span>
  )
}

function Marks({ wrote }: { wrote: Wrote }) {
  const { t } = useWords()
  return (
    <>
      {wrote.conflict && (
        <span className={css.mark}>
          <Icon name="conflict" /> {t('history.beside')}
        </span>
      )}
      {wrote.hidden !== undefined && (
        <span className={css.mark}>
          <Icon name="locked" /> {t(`history.hidden.${wrote.hidden}`)}
        </span>
      )}
    </>
  )
}
