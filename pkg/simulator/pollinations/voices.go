package pollinations

import "strings"

// elevenVoices are the preset voices of the ElevenLabs models.
func elevenVoices() []string {
	return strings.Fields(`alloy echo fable onyx nova shimmer ash ballad coral sage verse rachel domi bella elli charlotte dorothy
		sarah emily lily matilda adam antoni arnold josh sam daniel charlie james fin callum liam george brian bill`)
}

// grokVoices are the voices of grok-tts.
func grokVoices() []string {
	return strings.Fields(`altair ara atlas aurora carina castor celeste cosmo eve helios helix iris kepler leo liora lumen luna
		lux naksh orion perseus rex rigel sal sirius ursa zagan zenith`)
}

// csmVoices are the voices of csm-1b.
func csmVoices() []string {
	return strings.Fields(`conversational_a conversational_b read_speech_a read_speech_b read_speech_c read_speech_d`)
}

// qwenVoices are some of the voices of the Qwen models.
func qwenVoices() []string { return []string{"Cherry", "Serena", "Ethan", "Chelsie"} }

// kokoroVoices are the voices of kokoro; the first letter is the language, the
// second the gender.
func kokoroVoices() []string {
	return strings.Fields(`af_alloy af_aoede af_bella af_heart af_jessica af_kore af_nicole af_nova af_river af_sarah af_sky
		am_adam am_echo am_eric am_fenrir am_liam am_michael am_onyx am_puck am_santa bf_alice bf_emma bf_isabella bf_lily
		bm_daniel bm_fable bm_george bm_lewis ef_dora em_alex em_santa ff_siwis hf_alpha hf_beta hm_omega hm_psi if_sara
		im_nicola jf_alpha jf_gongitsune jf_nezumi jf_tebukuro jm_kumo pf_dora pm_alex pm_santa zf_xiaobei zf_xiaoni
		zf_xiaoxiao zf_xiaoyi zm_yunjian zm_yunxi zm_yunxia zm_yunyang`)
}
