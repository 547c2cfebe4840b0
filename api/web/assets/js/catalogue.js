// The models, voices and sizes that the forms offer. A test compares them with the server's catalogue.

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
  { name: 'grok-tts', title: 'Grok TTS', voices: 'altair ara atlas aurora carina castor celeste cosmo eve helios helix iris kepler leo liora lumen luna lux naksh orion perseus rex rigel sal sirius ursa zagan zenith' },
  { name: 'csm-1b', title: 'CSM 1B', voices: 'conversational_a conversational_b read_speech_a read_speech_b read_speech_c read_speech_d' },
  { name: 'kokoro', title: 'Kokoro', voices: 'af_heart af_alloy af_aoede af_bella af_jessica af_kore af_nicole af_nova af_river af_sarah af_sky am_adam am_echo am_eric am_fenrir am_liam am_michael am_onyx am_puck am_santa bf_alice bf_emma bf_isabella bf_lily bm_daniel bm_fable bm_george bm_lewis ef_dora em_alex em_santa ff_siwis hf_alpha hf_beta hm_omega hm_psi if_sara im_nicola jf_alpha jf_gongitsune jf_nezumi jf_tebukuro jm_kumo pf_dora pm_alex pm_santa zf_xiaobei zf_xiaoni zf_xiaoxiao zf_xiaoyi zm_yunjian zm_yunxi zm_yunxia zm_yunyang' },
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

/** maxPixelsOf returns the pixel limit of a model. */
export function maxPixelsOf(name) {
  for (const { models } of imageModels) {
    for (const model of models) {
      if (model.name === name && model.maxPixels) return model.maxPixels;
    }
  }
  return limits.maxPixels;
}
