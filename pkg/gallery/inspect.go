package gallery

import "github.com/text2image-audio/text2image-audio/pkg/imagefile"

// maxPixels bounds the size of an image: larger ones would decompress to far more than anybody asks for.
const maxPixels = 32 << 20

// Found is what Inspect has found out about an image.
type Found struct {
	// ContentType is image/png, image/jpeg or image/webp.
	ContentType   string
	Width, Height int
	// Data is the image without what followed it.
	Data []byte
}

// Inspect returns the type, the dimensions and the extent of an image by its structure, whatever its sender says, and
// decompresses nothing. It fails with ErrTooLarge, ErrType, ErrDamaged and ErrDimensions.
func Inspect(data []byte) (*Found, error) {
	if len(data) > MaxBytes {
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
