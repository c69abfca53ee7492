"""The pages of videos: a clinician's, who looks, edits and decides, and a patient's, who watches."""
