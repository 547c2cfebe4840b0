// Work that this browser made as a guest can still be read by its id after signing in, so that it stays in view.
import { readList, write } from './storage.js';

const storeKey = 'guest_work';
const maxKept = 60;

/** adoptedIds returns the ids of the work. */
export const adoptedIds = () => readList(storeKey).filter((id) => typeof id === 'string');

/** keepAdopted remembers the ids of jobs; none forgets them. */
export function keepAdopted(ids) {
  write(storeKey, ids.length > 0 ? JSON.stringify(ids.slice(0, maxKept)) : null);
}
