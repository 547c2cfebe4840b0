package timestretch_test

import (
	"context"
	"fmt"

	"github.com/text2image-audio/text2image-audio/worker/upstream/timestretch"
)

func ExampleSound_Stretch() {
	second := &timestretch.Sound{Rate: 8000, Channels: 1, Samples: make([]int16, 8000)}
	sound, err := timestretch.ParseWAV(second.WAV())
	if err != nil {
		fmt.Println(err)
		return
	}
	fast, err := sound.Stretch(context.Background(), 2)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(fast.Frames(), "frames")
	// Output: 4000 frames
}
