"""From a photo to hands: images, predictor, fitting, appearance, export and pictures."""
