// Carrying by USB: which stick, what lies on it, for whom, and one button for both ways.
import { Button, Checkbox, Radio, TextInput } from '@mantine/core'
import { useEffect, useId, useRef, useState, type SubmitEvent } from 'react'
import { useStick, useSticks, useSwapStick } from '../api/queries'
import type { StickFile, StickPlace, StickReader, StickSwapped } from '../api/types'
import { showBytes, showCount } from '../format/number'
import { useWords } from '../i18n'
import { Heading } from '../ui/Heading'
import { Note } from '../ui/Note'
import { ProblemNote } from '../ui/ProblemNote'
import { Reading } from '../ui/Reading'
import css from './stick.module.css'

export function StickPage() {
  const { t } = useWords()
  const places = useSticks()
  const [chosen, setChosen] = useState<string | null>(null)
  const [typed, setTyped] = useState('')
  const [marked, setMarked] = useState<Record<string, boolean>>({})
  const [goOn, setGoOn] = useState(false)
  const swap = useSwapStick()
  const sticks = places.data?.sticks ?? []
  // A stick that is plugged in alone needs no choosing; one that was pulled is chosen no more.
  const plugged = sticks.some((stick) => stick.path === chosen) ? chosen : null
  const path = typed.trim() !== '' ? typed.trim() : (plugged ?? (sticks.length === 1 ? (sticks[0]?.path ?? null) : null))
  const readers = places.data?.readers ?? []
  const to = readers.filter((reader) => marked[reader.device] ?? proposed(reader, readers)).map((reader) => reader.device)
  const submit = (event: SubmitEvent) => {
    event.preventDefault()
    if (path !== null && !swap.isPending) swap.mutate({ path, to, ...(goOn ? { go_on: true } : {}) })
  }
  const done = swap.data
  return (
    <form className={css.page} onSubmit={submit}>
      <Heading document={t('stick.title')}>{t('stick.title')}</Heading>
      <p>{t('stick.explain')}</p>
      {places.isError && <ProblemNote error={places.error} />}
      {places.data === undefined && !places.isError && <Reading />}
      {places.data !== undefined && (
        <>
          {!places.data.ready && <Note tone="wait">{t('stick.noKey')}</Note>}
          <Sticks sticks={sticks} path={path} typed={typed} choose={setChosen} type={setTyped} />
          {path !== null && <Contents path={path} />}
          <Readers readers={readers} to={to} mark={(device, on) => setMarked({ ...marked, [device]: on })} />
          {done?.written.some((one) => one.more) === true && <Checkbox label={t('stick.goOn')} checked={goOn} onChange={(event) => setGoOn(event.currentTarget.checked)} />}
          <div className={css.act}>
            <Button type="submit" disabled={path === null || swap.isPending} data-action="swap">
              {swap.isPending ? t('stick.working') : t('stick.swap')}
            </Button>
            {path === null && <small>{t('stick.plugIn')}</small>}
            {swap.isPending && <small role="status">{t('stick.dontPull')}</small>}
          </div>
        </>
      )}
      {swap.isError && <ProblemNote error={swap.error} title={t('stick.failed')} />}
      {done !== undefined && <Done done={done} />}
    </form>
  )
}

/** Whom a line reaches needs no stick; where a line reaches all, the stick is for all. */
function proposed(reader: StickReader, readers: StickReader[]): boolean {
  return reader.key && (!reader.connected || readers.every((other) => other.connected))
}

type SticksProps = { sticks: StickPlace[]; path: string | null; typed: string; choose: (path: string) => void; type: (path: string) => void }

function Sticks({ sticks, path, typed, choose, type }: SticksProps) {
  const { t, language } = useWords()
  return (
    <section className={css.part}>
      <Radio.Group value={typed.trim() === '' ? (path ?? '') : ''} onChange={choose} label={t('stick.which')} name="stick">
        {sticks.length === 0 && <p className={css.quiet}>{t('stick.none')}</p>}
        <div className={css.choices}>
          {sticks.map((stick) => (
            <Radio
              key={stick.path}
              value={stick.path}
              label={`${stick.label} · ${t('stick.free', { size: showBytes(stick.free, language) })}`}
              description={stick.path}
              disabled={typed.trim() !== ''}
            />
          ))}
        </div>
      </Radio.Group>
      <TextInput label={t('stick.path')} value={typed} onChange={(event) => type(event.currentTarget.value)} maxLength={4096} spellCheck={false} className={css.path} />
    </section>
  )
}

function Contents({ path }: { path: string }) {
  const { t } = useWords()
  const contents = useStick(path)
  if (contents.isError) return <ProblemNote error={contents.error} />
  if (contents.data === undefined) return <Reading />
  return (
    <section className={css.part} aria-label={t('stick.contents')}>
      <h2>{t('stick.contents')}</h2>
      {contents.data.files.length === 0 ? <p className={css.quiet}>{t('stick.empty')}</p> : <Files files={contents.data.files} />}
    </section>
  )
}

function Files({ files }: { files: StickFile[] }) {
  const { t, label, language } = useWords()
  return (
    <table className={css.table}>
      <thead>
        <tr>
          <th scope="col">{t('stick.file')}</th>
          <th scope="col">{t('stick.who')}</th>
          <th scope="col">{t('stick.what')}</th>
          <th scope="col">{t('stick.state')}</th>
        </tr>
      </thead>
      <tbody>
        {files.map((file) => (
          <tr key={file.name} data-state={file.state}>
            <th scope="row">{file.name}</th>
            <td>
              {file.by !== '' && t('stick.from', { name: file.by })}
              {file.to.length > 0 && t('stick.to', { name: file.to.join(', ') })}
              {file.by === '' && file.to.length === 0 && '—'}
            </td>
            <td>
              {file.by !== '' && `${t('stick.saves', { n: showCount(file.entries, language) })} · `}
              {showBytes(file.size, language)}
              {file.part > 1 || (file.part === 1 && !file.last) ? ` · ${t('stick.part', { n: file.part })}` : ''}
            </td>
            <td>
              {label(file.says)}
              {file.refused.map((why) => (
                <small key={why.vi}>{label(why)}</small>
              ))}
            </td>
          </tr>
        ))}
      </tbody>
    </table>
  )
}

function Readers({ readers, to, mark }: { readers: StickReader[]; to: string[]; mark: (device: string, on: boolean) => void }) {
  const { t, language } = useWords()
  const id = useId()
  return (
    <section className={css.part} role="group" aria-labelledby={id}>
      <h2 id={id}>{t('stick.for')}</h2>
      {readers.length === 0 && <p className={css.quiet}>{t('stick.nobody')}</p>}
      <div className={css.choices}>
        {readers.map((reader) => (
          <Checkbox
            key={reader.device}
            label={reader.name}
            checked={to.includes(reader.device)}
            disabled={!reader.key}
            onChange={(event) => mark(reader.device, event.currentTarget.checked)}
            description={[
              reader.connected ? t('line.connected') : t('line.down'),
              ...(reader.key ? [] : [t('stick.readerNoKey')]),
              ...(reader.carried > 0 ? [t('stick.carried', { n: showCount(reader.carried, language) })] : []),
            ].join(' · ')}
          />
        ))}
      </div>
    </section>
  )
}

/** What a stick may hold that isn't for this machine. */
const notForHere = new Set<StickFile['state']>(['ours', 'foreign', 'irregular', 'unknown'])

function Done({ done }: { done: StickSwapped }) {
  const { t, label, language } = useWords()
  const ref = useRef<HTMLDivElement>(null)
  useEffect(() => ref.current?.focus(), [done])
  const troubled = done.written.some((one) => one.problem !== null || one.more)
  return (
    <div ref={ref} tabIndex={-1} role="status" className={css.done}>
      <Note tone={troubled ? 'wait' : 'plain'} title={troubled ? t('stick.doneButs') : t('stick.done')}>
        <p>
          {done.files.every((file) => notForHere.has(file.state))
            ? t('stick.nothingHere')
            : t('stick.took', { entries: showCount(done.entries, language), receipts: showCount(done.receipts, language) })}
        </p>
        <ul>
          {done.written.map((one) => (
            <li key={one.device}>
              {one.problem !== null
                ? `${one.name}: ${label(one.problem)}`
                : one.files.length === 0
                  ? t('stick.nothingNew', { name: one.name })
                  : t('stick.wrote', { name: one.name, entries: showCount(one.entries, language), files: showCount(one.files.length, language), size: showBytes(one.bytes, language) })}
              {one.attachments > 0 && ` ${t('stick.attachments', { n: showCount(one.attachments, language) })}`}
              {one.more && one.problem === null && ` ${t('stick.more')}`}
            </li>
          ))}
        </ul>
        {done.files.length > 0 && <Files files={done.files} />}
      </Note>
    </div>
  )
}
