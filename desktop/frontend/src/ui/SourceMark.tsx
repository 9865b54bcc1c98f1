// How sure the pack is of what it says, where it is not sure.
import { Tooltip } from '@mantine/core'
import type { Confidence } from '../api/types'
import { useWords } from '../i18n'
import css from './source.module.css'

/** `inLabel`: beside an input, where one more stop of the Tab key would be in the way. */
type Props = { source: string | null; confidence: Confidence; open?: boolean; inLabel?: boolean }

/** Nothing for what was read in a primary text; words for a secondary source or none at all. */
export function SourceMark({ source, confidence, open = false, inLabel = false }: Props) {
  const { t } = useWords()
  const none = open || confidence === '?'
  if (!none && confidence !== 'S') return null
  const named = source === null || source === '' ? null : t('source.named', { source })
  const hint = [none ? t('source.noneHint') : null, named].filter((part) => part !== null).join(' ')
  const words = none ? t('source.none') : t('source.secondary')
  if (hint === '' || inLabel)
    return (
      <span className={css.mark} data-none={none} title={hint === '' ? undefined : hint}>
        {words}
      </span>
    )
  return (
    <Tooltip label={hint}>
      <span className={css.mark} data-none={none} tabIndex={0}>
        {words}
      </span>
    </Tooltip>
  )
}
