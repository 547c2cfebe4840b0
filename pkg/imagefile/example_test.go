package imagefile_test

import (
	"bytes"
	"fmt"
	"image"
	"image/png"

	"github.com/text2image-audio/text2image-audio/pkg/imagefile"
)

// Data after the end of an image, such as a hidden HTML page, is not part of it.
func Example() {
	var file bytes.Buffer
	if err := png.Encode(&file, image.NewGray(image.Rect(0, 0, 3, 2))); err != nil {
		fmt.Println(err)
		return
	}
	size := file.Len()
	file.WriteString("<script>alert(1)</script>")

	width, height, err := imagefile.Size(file.Bytes())
	fmt.Println(imagefile.ContentType(file.Bytes()), width, height, err)
	end, ok := imagefile.End(file.Bytes())
	fmt.Println(end == size, ok)
	_, ok = imagefile.End(file.Bytes()[:size-1])
	fmt.Println(ok)
	// Output:
	// image/png 3 2 <nil>
	// true true
	// false
}
