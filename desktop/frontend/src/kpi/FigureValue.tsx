// A figure, or the words that there is none. None is never shown as zero.
import type { Figure } from '../api/types'
import { showCount, showShare } from '../format/number'
import { useWords } from '../i18n'
import css from './kpi.module.css'

export function FigureValue({ figure }: { figure: Figure }) {
  const { t, language } = useWords()
  if (figure.value === null)
    return (
      <span className={css.none} title={t('kpi.noneHint')}>
        {t('kpi.none')}
      </span>
    )
  return <>{figure.unit === 'share' ? showShare(figure.value, language) : showCount(figure.value, language)}</>
}
