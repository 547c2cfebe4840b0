// The smallest submission of each kind with the functions that @hey-api/openapi-ts generates.
import { createOpenAiImage, createOpenAiSpeech, submitJob } from "./hey";

export const submissions = [
  submitJob({ body: { kind: "image", input: { prompt: "a fox" } } }),
  submitJob({ body: { kind: "audio", input: { text: "a fox" } } }),
  submitJob({ body: { kind: "prompt", input: { text: "a fox" } } }),
  submitJob({ body: { kind: "translation", input: { text: "a fox" } } }),
  createOpenAiImage({ body: { prompt: "a fox" } }),
  createOpenAiSpeech({ body: { input: "a fox" } }),
];
