package catalogue

import (
	"slices"
	"strings"

	"github.com/text2image-audio/text2image-audio/pkg/job"
)

// The voices of each family of speech models, as listed by the gateway in September 2026.
const (
	elevenVoices = "alloy echo fable onyx nova shimmer ash ballad coral sage verse rachel domi bella elli charlotte " +
		"dorothy sarah emily lily matilda adam antoni arnold josh sam daniel charlie james fin callum liam " +
		"george brian bill"
	csmVoices  = "conversational_a conversational_b read_speech_a read_speech_b read_speech_c read_speech_d"
	grokVoices = "altair ara atlas aurora carina castor celeste cosmo eve helios helix iris kepler leo liora lumen " +
		"luna lux naksh orion perseus rex rigel sal sirius ursa zagan zenith"
	kokoroVoices = "af_alloy af_aoede af_bella af_heart af_jessica af_kore af_nicole af_nova af_river af_sarah af_sky " +
		"am_adam am_echo am_eric am_fenrir am_liam am_michael am_onyx am_puck am_santa bf_alice bf_emma " +
		"bf_isabella bf_lily bm_daniel bm_fable bm_george bm_lewis ef_dora em_alex em_santa ff_siwis hf_alpha " +
		"hf_beta hm_omega hm_psi if_sara im_nicola jf_alpha jf_gongitsune jf_nezumi jf_tebukuro jm_kumo " +
		"pf_dora pm_alex pm_santa zf_xiaobei zf_xiaoni zf_xiaoxiao zf_xiaoyi zm_yunjian zm_yunxi zm_yunxia " +
		"zm_yunyang"
)

// takesCustomVoices reports whether a model is a speech model of ElevenLabs, which accepts the IDs of cloned voices. Models for
// music and effects have no voices.
func takesCustomVoices(m job.Model) bool {
	return len(m.Voices) > 0 && slices.ContainsFunc(names(m), func(name string) bool {
		return strings.HasPrefix(strings.ToLower(name), "eleven")
	})
}

// speechModels returns the speech models with known voices, without models for music, effects and cloned voices.
func speechModels() []job.Model {
	everyFormat := []string{"mp3", "opus", "aac", "flac", "wav", "pcm"}
	eleven := strings.Fields(elevenVoices)
	return []job.Model{
		{Name: "elevenlabs", Aliases: []string{"elevenlabs/eleven-v3", "tts", "tts-1", "tts-1-hd"}, Voices: eleven, Formats: everyFormat, CustomVoices: true},
		{Name: "elevenflash", Voices: eleven, Formats: everyFormat, CustomVoices: true},
		{Name: "eleven-multilingual-v2", Voices: eleven, Formats: everyFormat, CustomVoices: true},
		{Name: "grok-tts", Voices: strings.Fields(grokVoices), Formats: everyFormat},
		{Name: "csm-1b", Voices: strings.Fields(csmVoices), Formats: everyFormat},
		{Name: "kokoro", Voices: strings.Fields(kokoroVoices), Formats: everyFormat},
		// The gateway's predecessor had a speech model of this name; in the gateway it is a text model.
		{Name: "openai-audio", ReplacedBy: DefaultSpeechModel},
	}
}

// formatsOf returns the formats of a model that is not built in and is known not to support all of them, or else nil. The
// upstream's lists do not contain formats.
func formatsOf(m job.Model) []string {
	for _, name := range names(m) {
		if strings.HasPrefix(name[strings.LastIndexByte(name, '/')+1:], "qwen-tts") {
			return []string{"wav"}
		}
	}
	return nil
}
