package gallery

import "github.com/text2image-audio/text2image-audio/pkg/imagefile"

// maxPixels bounds an image, because a small file can decompress to a huge one.
const maxPixels = 32 << 20

// Found is the result of Inspect.
type Found struct {
	// ContentType is image/png, image/jpeg or image/webp.
	ContentType   string
	Width, Height int
	// Data is the image without trailing data.
	Data []byte
}

// Inspect determines the type, dimensions and extent of an image from its structure, without decompressing it. It returns
// ErrTooLarge, ErrType, ErrDamaged or ErrDimensions.
func Inspect(data []byte) (*Found, error) { return InspectUpTo(data, MaxBytes) }

// InspectUpTo is Inspect for images of up to maxBytes.
func InspectUpTo(data []byte, maxBytes int) (*Found, error) {
	if len(data) > maxBytes {
		return nil, ErrTooLarge
	}
	contentType := imagefile.ContentType(data)
	if contentType == "" {
		return nil, ErrType
	}
	end, ok := imagefile.End(data)
	if !ok {
		return nil, ErrDamaged
	}
	data = data[:end]
	width, height, err := imagefile.Size(data)
	switch {
	case err != nil, width <= 0, height <= 0:
		return nil, ErrDamaged
	case width > maxPixels/height:
		return nil, ErrDimensions
	}
	return &Found{ContentType: contentType, Width: width, Height: height, Data: data}, nil
}
