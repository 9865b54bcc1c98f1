import { describe, expect, it } from 'vitest'
import { en } from './en'
import { vi as vietnamese } from './vi'

type Tree = { [key: string]: string | Tree }

function leaves(tree: Tree, prefix = ''): Map<string, string> {
  const found = new Map<string, string>()
  for (const [key, value] of Object.entries(tree)) {
    if (typeof value === 'string') found.set(prefix + key, value)
    else for (const [k, v] of leaves(value, `${prefix}${key}.`)) found.set(k, v)
  }
  return found
}

const placeholders = (text: string) => [...text.matchAll(/{{\w+}}/g)].map(String).sort()

describe('the two languages', () => {
  const viWords = leaves(vietnamese)
  const enWords = leaves(en)

  it('have the same keys', () => {
    expect([...enWords.keys()].sort()).toEqual([...viWords.keys()].sort())
    expect(viWords.size).toBeGreaterThan(150)
  })

  it('leave no text empty and use the same placeholders', () => {
    for (const [key, text] of viWords) {
      const other = enWords.get(key) ?? ''
      expect(text.trim(), key).not.toBe('')
      expect(other.trim(), key).not.toBe('')
      expect(placeholders(other), key).toEqual(placeholders(text))
    }
  })

  it('use every key that the code may build from a code of the API', () => {
    for (const key of ['tick.here', 'tick.office', 'tick.province', 'role.box', 'role.laptop', 'role.province', 'problem.read_only'])
      expect(viWords.has(key), key).toBe(true)
  })
})
