// An open list's items as suggestions: people see labels, the record holds codes, and any other text is taken as it is.
import type { CodeList } from '../api/types'
import { pick, useWords } from '../i18n'

export function useSuggestions(list: CodeList, code: string, onCode: (code: string) => void) {
  const { language } = useWords()
  const byLabel = new Map(list.items.map((item) => [pick(item.label, language), item.code]))
  const known = list.items.find((item) => item.code === code)
  return {
    data: [...byLabel.keys()],
    value: known === undefined ? code : pick(known.label, language),
    onChange: (typed: string) => onCode(byLabel.get(typed) ?? typed),
  }
}
