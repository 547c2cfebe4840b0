// The models, voices and sizes that the forms offer: at first those of this file, which a test compares with the server's
// catalogue, and then those of /api/models with their prices.
import { Problem, models as readModels } from './api.js';

/** imageModels are the image models in groups; maxPixels is set where a model's limit is lower than limits.maxPixels. */
export const imageModels = [
  { group: 'FLUX', models: [{ name: 'flux', title: 'FLUX.1 Schnell' }, { name: 'klein', title: 'FLUX.2 Klein', maxPixels: 2400000 }, { name: 'klein-large', title: 'FLUX.2 Klein Large', maxPixels: 2400000 }, { name: 'kontext', title: 'FLUX.1 Kontext' }] },
  { group: 'OpenAI', models: [{ name: 'gptimage', title: 'GPT Image 1 Mini' }, { name: 'gptimage-large', title: 'GPT Image 1.5' }, { name: 'gpt-image-2', title: 'GPT Image 2' }] },
  { group: 'Google', models: [{ name: 'nanobanana', title: 'Nano Banana' }, { name: 'nanobanana-2', title: 'Nano Banana 2' }, { name: 'nanobanana-pro', title: 'Nano Banana Pro' }] },
  { group: 'ByteDance', models: [{ name: 'seedream', title: 'Seedream 4.5' }, { name: 'seedream-pro', title: 'Seedream 4.5 Pro' }, { name: 'seedream5', title: 'Seedream 5' }, { name: 'seedream5-pro', title: 'Seedream 5 Pro' }] },
  { group: 'Alibaba', models: [{ name: 'zimage', title: 'Z-Image Turbo' }, { name: 'wan-image', title: 'Wan Image' }, { name: 'wan-image-pro', title: 'Wan Image Pro' }, { name: 'qwen-image', title: 'Qwen Image' }] },
  { group: '…', models: [{ name: 'dreamshaper', title: 'DreamShaper' }, { name: 'ideogram-v4-turbo', title: 'Ideogram 4 Turbo' }, { name: 'ideogram-v4-quality', title: 'Ideogram 4 Quality' }, { name: 'grok-imagine', title: 'Grok Imagine' }, { name: 'nova-canvas', title: 'Nova Canvas' }] },
];

const eleven = 'nova alloy echo fable onyx shimmer ash ballad coral sage verse rachel domi bella elli charlotte dorothy sarah emily lily matilda adam antoni arnold josh sam daniel charlie james fin callum liam george brian bill';

/** speechModels are the speech models with their voices. */
export const speechModels = [
  { name: 'elevenlabs', title: 'Eleven v3', voices: eleven },
  { name: 'elevenflash', title: 'Eleven Flash', voices: eleven },
  { name: 'eleven-multilingual-v2', title: 'Eleven Multilingual v2', voices: eleven },
];

/** limits apply to all images: the pixels in total, and the pixels of each side. */
export const limits = { maxPixels: 16800000, minSide: 64, maxSide: 4096 };

/** shapes are the preset image sizes by aspect ratio and scale. */
export const shapes = {
  '1:1': { standard: [1024, 1024], '2k': [2048, 2048], '4k': [4096, 4096] },
  '4:3': { standard: [1152, 864], '2k': [2048, 1536], '4k': [4096, 3072] },
  '3:4': { standard: [864, 1152], '2k': [1536, 2048], '4k': [3072, 4096] },
  '16:9': { standard: [1280, 720], '2k': [2048, 1152], '4k': [4096, 2304] },
  '9:16': { standard: [720, 1280], '2k': [1152, 2048], '4k': [2304, 4096] },
};

/** shapeOf returns the preset with the given size, or null. */
export function shapeOf(width, height) {
  for (const [ratio, scales] of Object.entries(shapes)) {
    for (const [scale, [w, h]] of Object.entries(scales)) {
      if (w === width && h === height) return { ratio, scale };
    }
  }
  return null;
}

/** defaults are the names of the models and of the voice that are used when none is chosen. */
export const defaults = { image: 'flux', audio: 'elevenlabs', voice: 'nova' };

// The details of the server's models by name: price, health, title.
const details = new Map();
// Whether the service takes the addresses of reference pictures only, which must be public.
let addressesOnly = false;

/** loadCatalogue reads the models of the server; without an answer those of this file are offered. */
export async function loadCatalogue() {
  let list;
  try {
    list = await readModels();
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    return;
  }
  Object.assign(defaults, { image: list.defaults.image_model, audio: list.defaults.audio_model, voice: list.defaults.voice });
  for (const model of [...list.images, ...list.speech]) details.set(model.name, model);
  addressesOnly = Boolean(list.max_prompt_bytes);
  const offered = (model) => !model.replaced_by;
  const known = new Set(imageModels.flatMap(({ models }) => models.map(({ name }) => name)));
  const images = new Set(list.images.filter(offered).map(({ name }) => name));
  for (const group of imageModels) group.models = group.models.filter(({ name }) => images.has(name));
  for (const model of list.images.filter(offered)) {
    if (!known.has(model.name)) imageModels.at(-1).models.push({ name: model.name, title: model.title ?? model.name, maxPixels: model.max_pixels });
  }
  const speech = list.speech.filter((model) => offered(model) && model.voices?.length > 0);
  if (speech.length > 0) {
    speechModels.splice(0, speechModels.length, ...speech.map((model) => ({ name: model.name, title: model.title ?? model.name, voices: model.voices.join(' ') })));
  }
}

/** imageModel returns an image model by name, the default one without a name. */
export function imageModel(name) {
  const wanted = name || defaults.image;
  return imageModels.flatMap(({ models }) => models).find((model) => model.name === wanted) ?? { name: wanted, title: wanted };
}

/** speechModel returns a speech model by name, the default one without a name. */
export function speechModel(name) {
  const wanted = name || defaults.audio;
  return speechModels.find((model) => model.name === wanted) ?? speechModels[0];
}

/** priceOf returns the price of a model as the server states it, or null. */
export const priceOf = (name) => details.get(name)?.price ?? null;

/** healthOf returns the state of a model as the service reports it, or "". */
export const healthOf = (name) => details.get(name)?.health ?? '';

/** maxReferencesOf returns how many reference pictures a model takes; without the server's list only the server knows. */
export function maxReferencesOf(name) {
  if (details.size === 0) return Infinity;
  return addressesOnly ? 0 : details.get(name || defaults.image)?.max_reference_images ?? 0;
}

/** suggestReferenceModel returns the first model that takes reference pictures, as many as given, or undefined. */
export function suggestReferenceModel(count = 1) {
  const taking = imageModels.flatMap(({ models }) => models).filter(({ name }) => maxReferencesOf(name) >= count);
  return taking.find(({ name }) => ['', 'healthy'].includes(healthOf(name))) ?? taking[0];
}

/** maxPixelsOf returns the pixel limit of a model. */
export const maxPixelsOf = (name) => imageModel(name).maxPixels ?? limits.maxPixels;
