// Where a record has got to, in words with a picture. The province's tick stands
// only for a receipt that the province signed after its commit.
import { Tooltip } from '@mantine/core'
import type { Load, SearchedTick, Tick } from '../api/types'
import { showCount } from '../format/number'
import { useWords, type Language } from '../i18n'
import { Icon } from './icons'
import css from './tick.module.css'

export const ticks: readonly SearchedTick[] = ['here', 'office', 'province']

const hints = { here: 'tick.hereHint', office: 'tick.officeHint', province: 'tick.provinceHint', covered: 'tick.coveredHint' } as const
const icons = { here: 'here', office: 'office', province: 'province', covered: 'locked' } as const

/** Who has something on the way, and how much. */
export function carriersText(loads: readonly Load[], language: Language): string {
  return loads.map(({ name, count }) => `${name} (${showCount(count, language)})`).join(', ')
}

export function TickMark({ tick, carried = [] }: { tick: Tick; carried?: readonly Load[] }) {
  const { t } = useWords()
  const names = carried.map(({ name }) => name).join(', ')
  return (
    <span className={css.mark} data-tick={tick} data-carried={carried.length > 0} title={names === '' ? t(hints[tick]) : t('tick.carriedBy', { who: names })}>
      <Icon name={icons[tick]} />
      {t(`tick.${tick}`)}
      {names !== '' && ` · ${t('tick.carried')}`}
    </span>
  )
}

/** The stages one under the other: which are done, which are not yet. That of a checkpoint is shown once it is reached: not every province makes them. */
export function TickSteps({ tick, carried }: { tick: Tick; carried: readonly Load[] }) {
  const { t } = useWords()
  const shown: readonly Tick[] = tick === 'covered' ? [...ticks, tick] : ticks
  const reached = shown.indexOf(tick)
  const names = carried.map(({ name }) => name).join(', ')
  return (
    <ol className={css.steps}>
      {shown.map((step, i) => (
        <li key={step} data-done={i <= reached} aria-current={i === reached ? 'step' : undefined}>
          <Tooltip label={t(hints[step])} position="left">
            <span className={css.step} tabIndex={0}>
              <Icon name={icons[step]} size={16} />
              <span>{t(`tick.${step}`)}</span>
              <span className={css.state}>{i <= reached ? t('tick.done') : t('tick.notYet')}</span>
            </span>
          </Tooltip>
        </li>
      ))}
      <li className={css.sentence}>
        {t(hints[tick])}
        {names !== '' && ` ${t('tick.carriedBy', { who: names })}`}
      </li>
    </ol>
  )
}
