package pollinations

// AddPlaceholder lets tests name a picture of their own as an error picture.
func (c *Client) AddPlaceholder(sum string) { c.placeholders = append(c.placeholders, sum) }

// SniffPicture lets tests hold the sniffer against foreign bytes.
func SniffPicture(data []byte) string { return sniffPicture(data) }

// CheckPicture lets tests check bytes without an exchange.
func CheckPicture(data []byte) (*Media, error) { return (&Client{}).checkPicture(data) }

// CheckRecording lets tests check bytes without an exchange.
func CheckRecording(data []byte, format string) (*Media, error) { return checkRecording(data, format) }
