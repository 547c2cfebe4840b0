// Splits a text that is too long for one request at the ends of its sentences.
const han = /\p{Script=Han}/u;
// Where a sentence that is too long by itself may be cut: after a clause, or else between words.
const clauseEnd = /[,;:，；：、]["'”’」』）)]*\s*|\s+/gu;
const sentenceEnd = /[^.!?。！？…\n]*(?:[.!?。！？…]+["'”’」』）)]*\s*|\n+|$)/gu;

// An abbreviation and an opening quote do not end a sentence.
const goesOn = /(?:\b(?:Mr|Mrs|Ms|Dr|Prof|St|vs|e\.g|i\.e|\p{Lu})\.\s*|[“「『（(]\s*)$/u;

const length = (text) => [...text].length;

function sentencesOf(text) {
  if (!Intl.Segmenter) return text.match(sentenceEnd).filter(Boolean);
  const segmenter = new Intl.Segmenter(han.test(text) ? 'zh' : 'en', { granularity: 'sentence' });
  const sentences = [];
  for (const { segment } of segmenter.segment(text)) {
    if (sentences.length > 0 && goesOn.test(sentences.at(-1))) sentences[sentences.length - 1] += segment;
    else sentences.push(segment);
  }
  return sentences;
}

function clausesOf(sentence) {
  const ends = [...sentence.matchAll(clauseEnd)].map((end) => end.index + end[0].length);
  return [0, ...ends].map((from, n) => sentence.slice(from, ends[n])).filter(Boolean);
}

function* piecesOf(text, max) {
  for (const sentence of sentencesOf(text)) {
    if (length(sentence) <= max) yield sentence;
    else for (const clause of clausesOf(sentence)) {
      const characters = [...clause];
      for (let at = 0; at < characters.length; at += max) yield characters.slice(at, at + max).join('');
    }
  }
}

/** split returns the text in parts of at most max characters, which together are the text. Parts have about the same length. */
export function split(text, max) {
  const total = length(text);
  const aim = Math.ceil(total / Math.ceil(total / max));
  const parts = [''];
  let used = 0;
  for (const piece of piecesOf(text, max)) {
    const size = length(piece);
    // A part ends at the sentence that brings it nearest to its share.
    if (used > 0 && (used + size > max || used + size / 2 > aim)) {
      parts.push('');
      used = 0;
    }
    parts[parts.length - 1] += piece;
    used += size;
  }
  return parts.filter((part) => part.trim() !== '');
}
