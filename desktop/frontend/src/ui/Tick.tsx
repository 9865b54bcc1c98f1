// Where a record has got to, in words with a picture. The province's tick stands
// only for a receipt that the province signed after its commit.
import { Tooltip } from '@mantine/core'
import type { Tick } from '../api/types'
import { useWords } from '../i18n'
import { Icon } from './icons'
import css from './tick.module.css'

export const ticks: readonly Tick[] = ['here', 'office', 'province']

const hints = { here: 'tick.hereHint', office: 'tick.officeHint', province: 'tick.provinceHint' } as const

export function TickMark({ tick }: { tick: Tick }) {
  const { t } = useWords()
  return (
    <span className={css.mark} data-tick={tick} title={t(hints[tick])}>
      <Icon name={tick} />
      {t(`tick.${tick}`)}
    </span>
  )
}

/** The three stages one under the other: which are done, which are not yet. */
export function TickSteps({ tick }: { tick: Tick }) {
  const { t } = useWords()
  const reached = ticks.indexOf(tick)
  return (
    <ol className={css.steps}>
      {ticks.map((step, i) => (
        <li key={step} data-done={i <= reached} aria-current={i === reached ? 'step' : undefined}>
          <Tooltip label={t(hints[step])} position="left">
            <span className={css.step} tabIndex={0}>
              <Icon name={step} size={16} />
              <span>{t(`tick.${step}`)}</span>
              <span className={css.state}>{i <= reached ? t('tick.done') : t('tick.notYet')}</span>
            </span>
          </Tooltip>
        </li>
      ))}
      <li className={css.sentence}>{t(hints[tick])}</li>
    </ol>
  )
}
