// How much of what this device saved the province hasn't yet signed for, and since when.
import { Tooltip } from '@mantine/core'
import type { NodeState } from '../api/types'
import { age } from '../format/time'
import { showCount } from '../format/number'
import { carriersText } from '../ui/Tick'
import { useWords, type Translate } from '../i18n'
import { Icon } from '../ui/icons'
import css from './node.module.css'
import { useNow } from './useNow'

export function ageText(fromMs: number, nowMs: number, t: Translate): string {
  const { unit, count } = age(fromMs, nowMs)
  return unit === 'now' ? t('age.now') : t(`age.${unit}`, { count })
}

export function Unsent({ unsent }: { unsent: NodeState['unsent'] }) {
  const { t, language } = useWords()
  const now = useNow()
  const waiting = unsent.count > 0
  const carried = unsent.carried.reduce((most, load) => Math.max(most, load.count), 0)
  const oldest = waiting && unsent.oldest_ms !== null && now !== null ? t('header.oldest', { age: ageText(unsent.oldest_ms, now, t) }) : t('header.unsentOwn')
  return (
    <Tooltip multiline maw={420} label={waiting ? [t('header.unsentHint'), carried > 0 ? t('header.carriedBy', { who: carriersText(unsent.carried, language) }) : ''].join(' ') : t('header.unsentNoneHint')}>
      <span className={[css.line, css.own].join(' ')} data-unsent={unsent.count} tabIndex={0}>
        <Icon name={waiting ? 'clock' : 'province'} size={16} />
        <span>
          <b>{`${t('header.unsent')}: ${showCount(unsent.count, language)}`}</b>
          <small>
            {oldest}
            {carried > 0 && ` · ${t('header.carried', { count: showCount(carried, language) })}`}
          </small>
        </span>
      </span>
    </Tooltip>
  )
}
